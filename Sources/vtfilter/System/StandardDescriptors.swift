import Glibc

/// Descriptors 0 to 2 are never those of files that are opened later: else words would go into a
/// video, or a video's bytes be read for an input.
enum StandardDescriptors {
    /// Opens those that are closed, such that reading or writing them is an error.
    static func open() {
        for number in Int32(0)...2 where fcntl(number, F_GETFD) < 0 {
            // Always the lowest number that is free.
            _ = Glibc.open("/dev/null", number == 0 ? O_WRONLY : O_RDONLY)
        }
    }
}
