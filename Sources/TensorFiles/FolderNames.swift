import Glibc

/// What is in a folder.
package enum FolderNames {
    /// The names in a folder, sorted by their bytes, but `.` and `..`.
    ///
    /// - Throws: `StreamError.failure` where it cannot be read, or not to its end.
    package static func names(in path: String) throws(StreamError) -> [String] {
        var names: [[UInt8]] = []
        try read(path.withPathBytes { opendir($0) }, path) { names.append(Array($0)) }
        return names.sorted { $0.lexicographicallyPrecedes($1) }.map { String(pathBytes: $0) }
    }

    /// Passes on each name in an open folder, which stays open, as its bytes.
    ///
    /// - Throws: `StreamError.failure` where it cannot be read, or not to its end.
    static func read(
        _ folder: Int32, _ body: (Slice<UnsafeRawBufferPointer>) -> Void
    ) throws(StreamError) {
        // With a place in reading of its own.
        let own = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        let directory = own < 0 ? nil : fdopendir(own)
        if directory == nil, own >= 0 { close(own) }
        try read(directory, "a folder", body)
    }

    private static func read(
        _ directory: OpaquePointer?, _ place: String,
        _ body: (Slice<UnsafeRawBufferPointer>) -> Void
    ) throws(StreamError) {
        func failure() -> StreamError {
            .failure(place: place, problem: String(cString: strerror(errno)))
        }
        guard let directory else { throw failure() }
        defer { closedir(directory) }
        while true {
            errno = 0
            guard let entry = readdir(directory) else {
                if errno != 0 { throw failure() }
                return
            }
            withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                let name = bytes.prefix { $0 != 0 }
                if name.elementsEqual(".".utf8) || name.elementsEqual("..".utf8) { return }
                body(name)
            }
        }
    }
}
