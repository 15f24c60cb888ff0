import VidTwinKernels

/// Memory that is not to be had in the middle of a computation ends the program with words, and without
/// unfinished files.
enum NoMemory {
    /// Has it so from now on.
    static func watch() {
        Exhaustion.handle { ExitStatus.end($0, ExitStatus.failure) }
    }
}
