import Glibc

/// A thread that runs a body once, with a stack that libav's decoders can do with.
struct WorkerThread {
    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    private var thread = pthread_t()

    /// - Throws: `TrainingError.failure` where the machine gives no thread.
    init(_ run: @escaping @Sendable () -> Void) throws {
        let body = Unmanaged.passRetained(Body(run))
        let status = pthread_create(
            &thread, nil,
            { pointer in
                if let pointer {
                    Unmanaged<Body>.fromOpaque(pointer).takeRetainedValue().run()
                }
                return nil
            }, body.toOpaque())
        if status != 0 {
            body.release()
            throw TrainingError.failure("no thread: \(String(cString: strerror(status)))")
        }
    }

    /// Waits for the end of the body.
    func join() { pthread_join(thread, nil) }
}

/// Seconds that only go forward.
package func monotonicSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}
