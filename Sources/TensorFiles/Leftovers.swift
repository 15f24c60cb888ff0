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
        guard !isRemote.contains(vt_file_system(own)), let entries = fdopendir(own)
        else {
            close(own)
            return
        }
        defer { closedir(entries) }
        while let entry = readdir(entries) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name.hasPrefix(NewFile.temporaryStart), name.hasSuffix(NewFile.temporaryEnding) {
                remove(name, folder)
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
