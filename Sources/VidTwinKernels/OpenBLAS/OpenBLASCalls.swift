import Glibc

/// Who is inside of OpenBLAS.
///
/// A fork waits until nobody is, so that the lock around its buffers is free in the child. A call at once
/// more than ever before has it take a buffer: there must be memory for that, which it would ask for again
/// and again. And there are so many buffers: with more calls at once 0.3.21 writes where it should not.
final class OpenBLASCalls: Sendable {
    /// Its buffers have 128 MB of address space on x86-64, and some to align them.
    private static let bufferBytes = 160 << 20
    /// Calls at once.
    private let most: Int

    private struct State {
        var mutex = pthread_mutex_t()
        var change = pthread_cond_t()
        var inside = 0
        /// Buffers that it has taken; it keeps them.
        var buffers = 0
        var isHeld = false
    }
    nonisolated(unsafe) private let state = UnsafeMutablePointer<State>.allocate(capacity: 1)

    /// - Parameter most: calls at once that the library has buffers for.
    init(most: Int) {
        self.most = most
        state.initialize(to: State())
    }

    deinit { state.deallocate() }

    /// Waits until no call runs, and keeps others out.
    func hold() {
        pthread_mutex_lock(&state.pointee.mutex)
        state.pointee.isHeld = true
        while state.pointee.inside > 0 { wait() }
        pthread_mutex_unlock(&state.pointee.mutex)
    }

    /// Lets calls in again.
    func release(inChild: Bool) {
        if inChild {  // whoever waited is not here
            let buffers = state.pointee.buffers
            state.initialize(to: State())
            state.pointee.buffers = buffers
            return
        }
        pthread_mutex_lock(&state.pointee.mutex)
        state.pointee.isHeld = false
        pthread_cond_broadcast(&state.pointee.change)
        pthread_mutex_unlock(&state.pointee.mutex)
    }

    /// Makes a call, when its turn comes.
    ///
    /// - Throws: `ProductError.memory`.
    func during(_ call: () -> Void) throws {
        try enter()
        call()
        pthread_mutex_lock(&state.pointee.mutex)
        state.pointee.inside -= 1
        pthread_cond_broadcast(&state.pointee.change)
        pthread_mutex_unlock(&state.pointee.mutex)
    }

    private func enter() throws {
        pthread_mutex_lock(&state.pointee.mutex)
        defer { pthread_mutex_unlock(&state.pointee.mutex) }
        while state.pointee.isHeld || state.pointee.inside >= most { wait() }
        if state.pointee.inside == state.pointee.buffers {
            guard MemoryReserve.isAvailable(OpenBLASCalls.bufferBytes) else {
                throw ProductError.memory(
                    what: "a product's buffer", bytes: OpenBLASCalls.bufferBytes)
            }
            state.pointee.buffers += 1
        }
        state.pointee.inside += 1
    }

    private func wait() { pthread_cond_wait(&state.pointee.change, &state.pointee.mutex) }
}
