import Glibc
import TensorFiles
import VidTwinKernels

/// Memory that is not to be had in the middle of a computation ends the program with words, and without
/// unfinished files.
enum NoMemory {
    /// Has it so from now on.
    static func watch() {
        Exhaustion.handle { words in
            let line = "vtfilter: error: \(words)\n"
            _ = line.visibleLines.withCString { write(2, $0, strlen($0)) }
            NewFile.removeUnfinished()
            _exit(ExitStatus.failure)
        }
    }
}
