import Synchronization
import Testing
import VideoIO
import vtfilter

/// Says when it is gone.
private final class Frame: Sendable {
    let number: Int
    private let alive: Alive
    init(_ number: Int, _ alive: Alive) {
        (self.number, self.alive) = (number, alive)
        alive.count.add(1, ordering: .relaxed)
    }
    deinit { alive.count.subtract(1, ordering: .relaxed) }
}
private final class Alive: Sendable {
    let count = Atomic<Int>(0)
    var now: Int { count.load(ordering: .relaxed) }
}

@Suite struct `Queues between threads` {
    @Test func `elements come in order, and those that were taken are let go of`() {
        let alive = Alive()
        let queue = BoundedQueue<Frame>(capacity: 8)
        for round in 0..<5 {
            for i in 0..<8 { #expect(queue.push(Frame(round * 8 + i, alive))) }
            for i in 0..<8 {
                #expect(queue.pop()?.number == round * 8 + i)
                #expect(alive.now == 7 - i)
            }
        }
        #expect(queue.push(Frame(0, alive)) && queue.waits(milliseconds: 0))
        queue.finish()
        #expect(queue.pop()?.number == 0 && queue.pop() == nil && alive.now == 0)
    }

    @Test func `a closed queue holds nothing and takes nothing`() {
        let alive = Alive()
        let queue = BoundedQueue<Frame>(capacity: 3)
        for i in 0..<3 { #expect(queue.push(Frame(i, alive))) }
        queue.close()
        #expect(alive.now == 0 && !queue.push(Frame(4, alive)) && queue.pop() == nil)
        #expect(alive.now == 0 && !queue.waits(milliseconds: 0))
    }

    @Test(arguments: [1, 2, 32]) func `a thread waits for the other`(_ capacity: Int) throws {
        let alive = Alive()
        let queue = BoundedQueue<Frame>(capacity: capacity)
        let sending = try BackgroundThread {
            for i in 0..<1000 { _ = queue.push(Frame(i, alive)) }
            queue.finish()
        }
        var (next, most) = (0, 0)
        while let frame = queue.pop(), frame.number == next {
            next += 1
            most = max(most, alive.now)
        }
        queue.close()
        sending.join()
        #expect(next == 1000)
        #expect(most <= capacity + 2, "in the queue, in each thread's hand")
    }
}
