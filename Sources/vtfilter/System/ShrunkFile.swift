import Glibc
import TensorFiles

/// A checkpoint that becomes shorter while it is mapped: reading what was there raises SIGBUS, which
/// ends the program with words then, and without unfinished files.
enum ShrunkFile {
    /// Watches from now on.
    static func watch() {
        MappedFile.remember()
        var action = sigaction()
        action.sa_flags = SA_SIGINFO
        action.__sigaction_handler.sa_sigaction = { number, information, _ in
            // The signal comes of the instruction that reads the bytes, not in the middle of anything
            // that holds a lock or makes memory, so that more may be done than in other handlers.
            if let address = information?.pointee._sifields._sigfault.si_addr,
                let path = MappedFile.path(at: address)
            {
                ExitStatus.end("\(path): became shorter while it was read", ExitStatus.badModel)
            }
            // Anything else ends the program as it does by itself, when the handler returns.
            signal(number, SIG_DFL)
        }
        sigaction(SIGBUS, &action, nil)
    }
}
