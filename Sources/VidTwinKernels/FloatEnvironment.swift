import CVidTwinKernels
import Glibc

/// How a thread rounds and what traps: the host's own affair, which must not reach our results.
package enum FloatEnvironment {
    /// Runs `body` rounding to nearest, without traps and with subnormals, and gives the thread back
    /// what it had, flags included.
    package static func normal<Result>(_ body: () throws -> Result) rethrows -> Result {
        var outer = fenv_t()
        vt_enter_floats(&outer)
        defer { vt_leave_floats(&outer) }
        return try body()
    }

    /// The calling thread, which is ours, computes so from now on.
    static func makeNormal() {
        var outer = fenv_t()
        vt_enter_floats(&outer)
    }
}
