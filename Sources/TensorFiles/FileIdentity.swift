package import Glibc

/// Tells files apart, whatever they are called.
package struct FileIdentity: Hashable, Sendable {
    private let device: UInt64
    private let number: UInt64
    package let isRegular: Bool

    /// What the system says of a file.
    package init(_ status: stat) {
        device = UInt64(status.st_dev)
        number = UInt64(status.st_ino)
        isRegular = status.st_mode & S_IFMT == S_IFREG
    }

    /// The file of a path, links followed; nil where there is none.
    package init?(path: String) {
        var status = stat()
        guard path.withPathBytes({ stat($0, &status) }) == 0 else { return nil }
        self.init(status)
    }

    /// An open file.
    package init?(descriptor: Int32) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return nil }
        self.init(status)
    }
}
