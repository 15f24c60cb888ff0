import Glibc

/// A first-in first-out queue between two threads that holds a limited number of elements, and nothing
/// of those that were taken.
package final class BoundedQueue<Element: Sendable>: @unchecked Sendable {
    /// A ring: `count` elements from `head` on.
    private var places: [Element?]
    private var (head, count) = (0, 0)
    private var finished = false
    private var closed = false
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let changed: UnsafeMutablePointer<pthread_cond_t>

    package init(capacity: Int) {
        places = Array(repeating: nil, count: max(capacity, 1))
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
    package func push(_ element: Element) -> Bool {
        locked {
            while count == places.count && !closed { pthread_cond_wait(changed, mutex) }
            if closed { return false }
            places[(head + count) % places.count] = element
            count += 1
            pthread_cond_broadcast(changed)
            return true
        }
    }

    /// Waits for an element; nil at the end.
    package func pop() -> Element? {
        locked {
            while count == 0 && !finished && !closed { pthread_cond_wait(changed, mutex) }
            if closed || count == 0 { return nil }
            let element = places[head].take()
            head = (head + 1) % places.count
            count -= 1
            pthread_cond_broadcast(changed)
            return element
        }
    }

    /// Whether there is an element, or comes one before this time is over.
    package func waits(milliseconds: Int) -> Bool {
        var end = timespec()
        clock_gettime(CLOCK_REALTIME, &end)
        let nanoseconds = end.tv_nsec + milliseconds * 1_000_000
        (end.tv_sec, end.tv_nsec) = (
            end.tv_sec + nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000
        )
        return locked {
            while count == 0 && !finished && !closed {
                if pthread_cond_timedwait(changed, mutex, &end) != 0 { break }
            }
            return count > 0
        }
    }

    /// No more elements will come; those in the queue are still taken.
    package func finish() {
        locked {
            finished = true
            _ = pthread_cond_broadcast(changed)
        }
    }

    /// Nobody waits any more, on either side; elements in the queue are dropped.
    package func close() {
        locked {
            closed = true
            for place in places.indices { places[place] = nil }
            (head, count) = (0, 0)
            _ = pthread_cond_broadcast(changed)
        }
    }
}
