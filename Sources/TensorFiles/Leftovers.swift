import CSystem
import Glibc

/// Temporary files that processes which were killed left in a folder. Whoever writes one holds a lock on
/// it, which goes with the process.
enum Leftovers {
    /// Says that this process writes to a file that it has just made; false where another one has taken it
    /// for a leftover meanwhile.
    static func claim(_ descriptor: Int32) -> Bool {
        if flock(descriptor, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK { return false }
        var status = stat()
        return fstat(descriptor, &status) == 0 && status.st_nlink > 0
    }

    /// Removes this user's temporary files in a folder that nobody holds, but on file systems whose locks
    /// another machine may not see.
    static func remove(in folder: Int32) {
        let own = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard own >= 0 else { return }
        defer { close(own) }
        if isRemote.contains(vt_file_system(own)) { return }
        try? FolderNames.read(own) { name in
            if name.starts(with: NewFile.temporaryStart.utf8),
                name.reversed().starts(with: NewFile.temporaryEnding.utf8.reversed())
            {
                remove(String(pathBytes: name), folder)
            }
        }
    }

    private static func remove(_ name: String, _ folder: Int32) {
        let descriptor = openat(folder, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
            status.st_uid == geteuid(), flock(descriptor, LOCK_EX | LOCK_NB) == 0
        else { return }
        unlinkat(folder, name, 0)
    }

    /// NFS, SMB, CIFS, 9p, FUSE.
    private static let isRemote: Set<UInt32> = [
        0x6969, 0x517b, 0xff53_4d42, 0xfe53_4d42, 0x0102_1997, 0x6573_5546,
    ]
}
