import Glibc

/// A first-in first-out queue between two threads that holds a limited number of elements.
final class BoundedQueue<Element: Sendable>: @unchecked Sendable {
    private let capacity: Int
    private var elements: [Element] = []
    private var head = 0
    private var finished = false
    private var closed = false
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let changed: UnsafeMutablePointer<pthread_cond_t>

    init(capacity: Int) {
        self.capacity = max(capacity, 1)
        mutex = .allocate(capacity: 1)
        mutex.initialize(to: pthread_mutex_t())
        changed = .allocate(capacity: 1)
        changed.initialize(to: pthread_cond_t())
    }

    deinit {
        pthread_cond_destroy(changed)
        pthread_mutex_destroy(mutex)
        changed.deallocate()
        mutex.deallocate()
    }

    private func locked<Result>(_ body: () -> Result) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body()
    }

    /// Waits for room and adds an element; false where nobody will take it.
    func push(_ element: Element) -> Bool {
        locked {
            while elements.count - head >= capacity && !closed { pthread_cond_wait(changed, mutex) }
            if closed { return false }
            elements.append(element)
            pthread_cond_broadcast(changed)
            return true
        }
    }

    /// Waits for an element; nil at the end.
    func pop() -> Element? {
        locked {
            while elements.count == head && !finished && !closed {
                pthread_cond_wait(changed, mutex)
            }
            if closed || elements.count == head { return nil }
            let element = elements[head]
            head += 1
            if head >= capacity {
                elements.removeFirst(head)
                head = 0
            }
            pthread_cond_broadcast(changed)
            return element
        }
    }

    /// Whether there is an element, or comes one before this time is over.
    func waits(milliseconds: Int) -> Bool {
        var end = timespec()
        clock_gettime(CLOCK_REALTIME, &end)
        let nanoseconds = end.tv_nsec + milliseconds * 1_000_000
        (end.tv_sec, end.tv_nsec) = (
            end.tv_sec + nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000
        )
        return locked {
            while elements.count == head && !finished && !closed {
                if pthread_cond_timedwait(changed, mutex, &end) != 0 { break }
            }
            return elements.count > head
        }
    }

    /// No more elements will come; those in the queue are still taken.
    func finish() {
        locked {
            finished = true
            _ = pthread_cond_broadcast(changed)
        }
    }

    /// Nobody waits any more, on either side; elements in the queue are dropped.
    func close() {
        locked {
            closed = true
            elements = []
            head = 0
            _ = pthread_cond_broadcast(changed)
        }
    }
}
