import Glibc
import Synchronization
import Testing
import VidTwin
import VidTwinKernels
import VidTwinTestSupport

@Suite struct `Computations` {
    @Test func `a task that found no memory makes an error of the whole, and of that alone`() throws
    {
        let device = Device(threads: 2)
        let error = #expect(throws: ModelError.self) {
            try device.computing(tensors: 0, scratch: 0, for: "a test") {
                device.parallel(8) { task, _ in
                    if task == 5 { TaskFailure.note(ProductError.memory(what: "code", bytes: 1)) }
                }
            }
        }
        #expect("\(error.map { "\($0)" } ?? "")".hasPrefix("no memory for a test"))
        let next = try device.computing(tensors: 0, scratch: 0, for: "a test") {
            device.parallel(8) { _, _ in }
            return 3
        }
        #expect(next == 3)
    }

    @Test func `what a computation claims is cut from pages that are held, and nothing else`()
        throws
    {
        let device = Device(threads: 1)
        let bytes = 8 << 20
        try device.computing(tensors: bytes, scratch: 0, for: "a test") {
            let tensors = (0..<7).map { _ in Tensor([1 << 18], on: device) }
            let places = tensors.map { Int(bitPattern: $0.pointer) }
            // From the end down, side by side.
            #expect(zip(places, places.dropFirst()).allSatisfy { $0 - $1 == 1 << 20 }, "\(places)")
        }
    }

    @Test func `computations that have no memory at once take turns`() throws {
        // What Linux does not give twice, unless it gives anything: more than half of the memory.
        let device = Device(threads: 1)
        let bytes = sysconf(Int32(_SC_PHYS_PAGES)) / 10 * 6 * sysconf(Int32(_SC_PAGESIZE))
        let givesAnything = Shell.run("cat /proc/sys/vm/overcommit_memory").text.hasPrefix("1")
        let inside = Atomic(0)
        let most = Atomic(0)
        let refused = Atomic(0)
        let pool = Device(threads: 4)
        pool.parallel(4) { _, _ in
            do {
                try device.computing(tensors: bytes, scratch: 0, for: "a test") {
                    let now = inside.add(1, ordering: .relaxed).newValue
                    most.max(now, ordering: .relaxed)
                    usleep(20_000)
                    inside.subtract(1, ordering: .relaxed)
                }
            } catch { refused.add(1, ordering: .relaxed) }
        }
        let (together, none) = (most.load(ordering: .relaxed), refused.load(ordering: .relaxed))
        #expect(none == 0, "\(none) refused")
        #expect(together == 1 || givesAnything, "\(together) together")
    }
}
