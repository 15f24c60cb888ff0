import Glibc

/// A thread that runs a body once.
package struct BackgroundThread {
    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    private var thread = pthread_t()

    /// - Throws: `VideoIOError.failure` where no thread is to be had.
    package init(_ run: @escaping @Sendable () -> Void) throws(VideoIOError) {
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
            throw .failure(
                url: "no thread is to be had", problem: String(cString: strerror(status)))
        }
    }

    /// Waits for the end of the body.
    package func join() { pthread_join(thread, nil) }
}
