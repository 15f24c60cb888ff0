import Glibc

/// Files that tests read, found beside the sources.
public enum Fixtures {
    /// `Tests/Fixtures` of this checkout.
    public static let folder: String = repository + "/Tests/Fixtures"

    /// The checkout, by a path that shells read as it is.
    public static let repository: String = {
        let here = #filePath.split(separator: "/", omittingEmptySubsequences: false)
        return plain(here.dropLast(3).joined(separator: "/"), as: "checkout")
    }()

    /// A folder's path; or, where it has blanks or other characters that shells read, that of a link to
    /// it, of this name and for the time of this process.
    static func plain(_ folder: String, as name: String) -> String {
        let isPlain = folder.unicodeScalars.allSatisfy {
            $0.properties.isAlphabetic || ("0"..."9").contains($0)
                || "/._-+".unicodeScalars.contains($0)
        }
        if isPlain { return folder }
        let link = "\(linkFolder)/\(name)"
        guard symlink(folder, link) == 0 else { fatalError("no link to \(folder)") }
        return link
    }

    private static let linkFolder: String = {
        atexit { Fixtures.remove(Fixtures.linkFolder) }
        return temporaryFolder()
    }()

    /// An empty folder of its own, in the system's temporary folder.
    public static func temporaryFolder() -> String {
        var template = Array("/tmp/vidtwin-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { fatalError("no temporary folder") }
        return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// The most memory, in bytes, that this process has had.
    public static func peakMemory() -> Int {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return usage.ru_maxrss * 1024
    }

    /// The bytes of a file; a test without its file cannot go on.
    public static func bytes(_ path: String) -> [UInt8] {
        guard let file = fopen(path, "rb") else { fatalError("cannot read \(path)") }
        defer { fclose(file) }
        fseek(file, 0, SEEK_END)
        var bytes = [UInt8](repeating: 0, count: ftell(file))
        rewind(file)
        guard fread(&bytes, 1, bytes.count, file) == bytes.count else {
            fatalError("cannot read \(path)")
        }
        return bytes
    }

    /// Writes a file.
    public static func write(_ bytes: [UInt8], to path: String) {
        guard let file = fopen(path, "wb") else { fatalError("cannot write \(path)") }
        guard fwrite(bytes, 1, bytes.count, file) == bytes.count, fclose(file) == 0 else {
            fatalError("cannot write \(path)")
        }
    }

    /// Removes a folder that `temporaryFolder` made.
    public static func remove(_ folder: String) {
        if folder.hasPrefix("/tmp/vidtwin-test-") { _ = system("rm -rf '\(folder)'") }
    }
}
