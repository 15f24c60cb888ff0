import CVidTwin
import Testing
import VidTwinC
import VidTwinTestSupport

private func lines(_ path: String) -> [Substring] {
    String(decoding: Fixtures.bytes("\(Fixtures.repository)/Sources/\(path)"), as: UTF8.self)
        .split(separator: "\n")
}

@Suite struct `the C interface` {
    /// Names that stand before a parenthesis, outside of comments.
    private var declared: Set<String> {
        var (declared, inside): (Set<String>, Bool) = ([], false)
        for line in lines("CVidTwin/include/vidtwin.h") {
            if line.contains("/*") { inside = true }
            if !inside, !line.hasPrefix("#"), !line.hasPrefix("typedef"),
                let end = line.firstIndex(of: "("),
                let name = line[..<end].split(whereSeparator: { $0 == " " || $0 == "*" }).last
            {
                declared.insert(String(name))
            }
            if line.contains("*/") { inside = false }
        }
        return declared
    }

    @Test func `every function of the header is compared with the Swift function of its name`() {
        #expect(declared.count >= 19)
        // A line that was too long goes on in the next one.
        let files = ["ModelFunctions", "SessionFunctions"].flatMap { lines("VidTwinC/\($0).swift") }
        let checks = files.reduce(into: [String]()) { joined, line in
            if let last = joined.last, last.hasSuffix("_type =") {
                joined[joined.count - 1] = last + " " + line.drop { $0 == " " }
            } else {
                joined.append(String(line))
            }
        }
        let types = lines("CVidTwin/include/header_types.h")
        for name in declared {
            #expect(types.contains("typedef __typeof__(&\(name)) \(name)_type;"))
            let compared = checks.count {
                $0.hasPrefix("    let ") && $0.contains(": \(name)_type = ")
            }
            #expect(compared == 1, "\(name)")
        }
    }

    @Test func `structures have the size that C gives them`() {
        #expect(MemoryLayout<vidtwin_frame>.stride == 72)
        #expect(MemoryLayout<vidtwin_latents>.stride == 48)
        func checkVersions<T: VersionedStructure>(_ type: T.Type, first: Int) {
            #expect(type.sizes.first == first, "version 1.0 of \(type) can never change")
            #expect(type.sizes.last == MemoryLayout<T>.stride)
            #expect(type.sizes == type.sizes.sorted())
        }
        checkVersions(vidtwin_model_options.self, first: 56)
        checkVersions(vidtwin_session_options.self, first: 48)
        checkVersions(vidtwin_model_info.self, first: 80)
        checkVersions(vidtwin_model_identity.self, first: 152)
    }
}
