import CSystem
import VidTwinKernels

/// Memory that is not to be had in the middle of a computation ends the program with words, and without
/// unfinished files.
enum NoMemory {
    /// Has it so from now on.
    static func watch() {
        // glibc's heap for a thread takes 64 MB of address space at once, which headroom is reckoned without.
        if MachineMemory.hasLimitedAddressSpace { vt_one_heap() }
        Exhaustion.handle { ExitStatus.end($0, ExitStatus.failure) }
    }
}
