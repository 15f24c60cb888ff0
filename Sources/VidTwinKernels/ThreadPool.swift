import ForkSafety
import CVidTwinKernels
import Glibc
import Synchronization

/// A fixed set of threads that run the tasks of one loop at a time.
///
/// Tasks are handed out one by one, so uneven tasks balance; what a task computes must not depend
/// on which thread runs it. Threads sleep between loops. `parallel` blocks until its last task is
/// done; calls from several threads take turns, a call from inside a task runs on that thread.
package final class ThreadPool: ForkParticipant, @unchecked Sendable {
    /// Threads that work on a loop, the caller's included.
    package let threadCount: Int

    private let state: UnsafeMutablePointer<State>
    private var threads: [pthread_t] = []
    /// In the child of a fork, until it runs its first loop.
    private var lacksThreads = false

    /// - Parameter threadCount: at least 1; nil takes the CPUs this process may run on.
    package init(threadCount: Int? = nil) {
        self.threadCount = min(max(threadCount ?? ThreadPool.availableCPUs, 1), 1024)
        state = .allocate(capacity: 1)
        state.initialize(to: State())
        startThreads()
        Fork.join(self)
    }

    /// Enough for every task and for compiling products; the system's own is what a limit on address
    /// space is used up by.
    private static let stackBytes = 2 << 20

    private func startThreads() {
        // Globals that every task asks for are made here, by one thread: where two meet at the first
        // use of one in the child of a fork, Swift's lock knows neither, and both spin for ever.
        _ = kernels
        HeldSignals.prepare()
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        pthread_attr_setstacksize(&attributes, ThreadPool.stackBytes)
        defer { pthread_attr_destroy(&attributes) }
        for worker in 1..<max(threadCount, 1) {
            let start = WorkerStart(state: state, worker: worker)
            var thread = pthread_t()
            let argument = Unmanaged.passRetained(start)
            let status = pthread_create(
                &thread, &attributes,
                { pointer in
                    guard let pointer else { return nil }
                    let start = Unmanaged<WorkerStart>.fromOpaque(pointer).takeRetainedValue()
                    ThreadPool.workerLoop(start.state, worker: start.worker)
                    return nil
                }, argument.toOpaque())
            if status == 0 {
                threads.append(thread)
            } else {
                argument.release()  // fewer threads than asked for: slower, never wrong
            }
        }
    }

    deinit {
        Fork.leave(self)
        pthread_mutex_lock(&state.pointee.mutex)
        state.pointee.stopping = true
        pthread_cond_broadcast(&state.pointee.wake)
        pthread_mutex_unlock(&state.pointee.mutex)
        for thread in threads { pthread_join(thread, nil) }
        state.deinitialize(count: 1)
        state.deallocate()
    }

    package func beforeFork() {}

    /// The child has none of the threads, and perhaps the locks and the loop of one that it lacks:
    /// it begins anew, with threads when it has something for them.
    package func afterFork(inChild: Bool) {
        if !inChild { return }
        state.initialize(to: State())
        threads = []
        lacksThreads = true
    }

    /// CPUs that this process may run on (its affinity mask, as `nproc` counts).
    package static var availableCPUs: Int {
        max(Int(vt_available_cpus()), 1)
    }

    /// Runs `body(task, worker)` for every task in `0..<count`; `worker` is in `0..<threadCount`
    /// and no two tasks run at the same time with the same one.
    package func parallel(_ count: Int, _ body: (_ task: Int, _ worker: Int) -> Void) {
        if count <= 0 { return }
        if let worker = ThreadPool.currentWorker {
            for task in 0..<count { body(task, worker) }
            return
        }
        pthread_mutex_lock(&state.pointee.turn)
        if lacksThreads {
            lacksThreads = false
            startThreads()
        }
        ThreadPool.currentWorker = 0
        Products.library.threads?.useOne()
        HeldSignals.during {
            FloatEnvironment.normal {
                if count == 1 || threads.isEmpty {
                    for task in 0..<count { body(task, 0) }
                } else {
                    withoutActuallyEscaping(body) { body in
                        withUnsafePointer(to: body) { run(count, $0) }
                    }
                }
            }
        }
        ThreadPool.currentWorker = nil
        Products.library.threads?.restore()
        pthread_mutex_unlock(&state.pointee.turn)
    }

    /// What a loop runs. Workers get it by address, so that none holds on to it when it ends.
    private typealias Body = UnsafePointer<(Int, Int) -> Void>

    private func run(_ count: Int, _ body: Body) {
        pthread_mutex_lock(&state.pointee.mutex)
        state.pointee.next.store(0, ordering: .relaxed)
        state.pointee.count = count
        state.pointee.body = body
        state.pointee.working = threads.count
        state.pointee.generation &+= 1
        pthread_cond_broadcast(&state.pointee.wake)
        pthread_mutex_unlock(&state.pointee.mutex)

        ThreadPool.drain(state, count: count, body: body, worker: 0)

        pthread_mutex_lock(&state.pointee.mutex)
        while state.pointee.working > 0 {
            pthread_cond_wait(&state.pointee.done, &state.pointee.mutex)
        }
        state.pointee.body = nil
        pthread_mutex_unlock(&state.pointee.mutex)
    }

    private static func drain(
        _ state: UnsafeMutablePointer<State>, count: Int, body: Body, worker: Int
    ) {
        while true {
            let task = state.pointee.next.add(1, ordering: .relaxed).oldValue
            if task >= count { return }
            body.pointee(task, worker)
        }
    }

    private static func workerLoop(_ state: UnsafeMutablePointer<State>, worker: Int) {
        currentWorker = worker
        HeldSignals.always()
        FloatEnvironment.makeNormal()
        Products.library.threads?.useOne()
        var seen: UInt64 = 0
        while true {
            pthread_mutex_lock(&state.pointee.mutex)
            while state.pointee.generation == seen && !state.pointee.stopping {
                pthread_cond_wait(&state.pointee.wake, &state.pointee.mutex)
            }
            if state.pointee.stopping {
                pthread_mutex_unlock(&state.pointee.mutex)
                return
            }
            seen = state.pointee.generation
            let (count, body) = (state.pointee.count, state.pointee.body)
            pthread_mutex_unlock(&state.pointee.mutex)

            if let body { drain(state, count: count, body: body, worker: worker) }

            pthread_mutex_lock(&state.pointee.mutex)
            state.pointee.working -= 1
            if state.pointee.working == 0 { pthread_cond_signal(&state.pointee.done) }
            pthread_mutex_unlock(&state.pointee.mutex)
        }
    }

    /// The worker number of the calling thread while it runs a task.
    private static var currentWorker: Int? {
        get {
            let value = Int(bitPattern: pthread_getspecific(workerKey))
            return value == 0 ? nil : value - 1
        }
        set { pthread_setspecific(workerKey, UnsafeRawPointer(bitPattern: (newValue ?? -1) + 1)) }
    }

    private static let workerKey: pthread_key_t = {
        var key = pthread_key_t()
        pthread_key_create(&key, nil)
        return key
    }()

    /// What the threads share; `next` is the only part touched without the mutex.
    private struct State: ~Copyable {
        var turn = pthread_mutex_t()
        var mutex = pthread_mutex_t()
        var wake = pthread_cond_t()
        var done = pthread_cond_t()
        let next = Atomic<Int>(0)
        var count = 0
        var body: Body?
        var working = 0
        var generation: UInt64 = 0
        var stopping = false
    }

    private final class WorkerStart: @unchecked Sendable {
        let state: UnsafeMutablePointer<State>
        let worker: Int
        init(state: UnsafeMutablePointer<State>, worker: Int) {
            self.state = state
            self.worker = worker
        }
    }
}
