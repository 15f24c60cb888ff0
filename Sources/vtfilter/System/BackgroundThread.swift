import Glibc

/// A thread that runs a body once.
struct BackgroundThread {
    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    private var thread = pthread_t()

    init(_ run: @escaping @Sendable () -> Void) {
        let body = Unmanaged.passRetained(Body(run))
        let status = pthread_create(
            &thread, nil,
            { pointer in
                if let pointer {
                    Unmanaged<Body>.fromOpaque(pointer).takeRetainedValue().run()
                }
                return nil
            }, body.toOpaque())
        if status != 0 { fatalError("no thread: \(String(cString: strerror(status)))") }
    }

    /// Waits for the end of the body.
    func join() { pthread_join(thread, nil) }
}
