import Glibc

/// Runs shell commands for tests, with `vtfilter` of this build on the PATH.
public enum Shell {
    /// What came of a command.
    public struct Result: Sendable {
        /// The exit status, 124 where the time was up.
        public let status: Int32
        /// Standard output.
        public let output: [UInt8]
        /// Standard error.
        public let errors: String

        /// Standard output as text, without white space at the ends.
        public var text: String {
            let text = String(decoding: output, as: UTF8.self)
            let visible = text.drop { $0.isWhitespace }
            return String(visible.reversed().drop { $0.isWhitespace }.reversed())
        }
    }

    /// The folder of this build's programs.
    public static let products: String = {
        var buffer = [CChar](repeating: 0, count: 4096)
        let length = max(readlink("/proc/self/exe", &buffer, buffer.count - 1), 0)
        let path = String(
            decoding: buffer.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        var parts = path.split(separator: "/", omittingEmptySubsequences: false)
        while parts.count > 1 {
            parts.removeLast()
            let folder = parts.joined(separator: "/")
            if access("\(folder)/vtfilter", X_OK) == 0 {
                return Fixtures.plain(folder, as: "products")
            }
        }
        // `swift test` may run the tests from the toolchain: the build's own folder then.
        return "\(Fixtures.repository)/.build/release"
    }()

    /// Runs a bash script with `pipefail` in a folder, or in an empty one that is removed
    /// afterwards, for at most `seconds`.
    public static func run(_ script: String, in given: String? = nil, seconds: Int = 120) -> Result
    {
        let hidden = Fixtures.temporaryFolder()
        let folder = given ?? Fixtures.temporaryFolder()
        defer {
            Fixtures.remove(hidden)
            if given == nil { Fixtures.remove(folder) }
        }
        let prelude =
            "set -o pipefail; cd '\(folder)'; export PATH='\(products)':$PATH "
            + "MEDIA='\(Fixtures.folder)/media' GOLDENS='\(Fixtures.folder)/goldens' "
            + "SWIFT_BACKTRACE=enable=no; unset VIDTWIN_MODEL\n"
        Fixtures.write(Array((prelude + script + "\n").utf8), to: "\(hidden)/script")
        let command =
            "timeout -k 5 \(seconds) bash \(hidden)/script > \(hidden)/out 2> \(hidden)/err < /dev/null"
        let status = system(command)
        let code = status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + status & 0x7f
        let result = Result(
            status: code, output: Fixtures.bytes("\(hidden)/out"),
            errors: String(decoding: Fixtures.bytes("\(hidden)/err"), as: UTF8.self))
        return result
    }
}
