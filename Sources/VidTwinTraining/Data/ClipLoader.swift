import Glibc
package import VideoIO

/// A clip that was read for a place in a run.
package struct LoadedClip: Sendable {
    /// The video's name; nil with `clip` where none could be read.
    package let name: String?
    package let clip: DecodedClip?
    /// Rows that were to be read here and could not be, with the reason.
    package let unreadable: [(row: Int, problem: String)]
    /// Rows that were passed over as too short.
    package let tooShort: [Int]
}

/// Decodes clips in threads ahead of whoever takes them, in order, in a queue of limited length.
/// What comes does not depend on the number of threads.
package final class ClipLoader: @unchecked Sendable {
    /// Which row, window and view stand in a place; after `attempt` others that could not be read. Nil
    /// where there is no other.
    package typealias Choice =
        @Sendable (_ place: Int, _ attempt: Int) -> (
            row: Int, start: ClipStart, view: ClipView
        )?

    private let entries: [VideoEntry]
    private let decoder: ClipDecoder
    private let choice: Choice
    private let minimumFrames: Int
    private let end: Int
    private let capacity: Int
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let changed: UnsafeMutablePointer<pthread_cond_t>
    private var threads: [BackgroundThread] = []
    // Behind the mutex:
    private var claimed: Int
    private var taken: Int
    private var loaded: [Int: LoadedClip] = [:]
    private var closed = false

    /// Starts reading the places `range`, with `workers` threads that run ahead by `capacity`
    /// clips. Videos of fewer than `minimumFrames` frames are passed over.
    ///
    /// - Throws: `VideoIOError.failure` where there is no thread.
    package init(
        _ entries: [VideoEntry], _ decoder: ClipDecoder, places range: Range<Int>, workers: Int,
        capacity: Int, minimumFrames: Int = 0, choice: @escaping Choice
    ) throws {
        (self.entries, self.decoder, self.choice) = (entries, decoder, choice)
        self.minimumFrames = minimumFrames
        (claimed, taken, end) = (range.lowerBound, range.lowerBound, range.upperBound)
        let workers = min(max(workers, 1), max(range.count, 1), 256)
        self.capacity = max(capacity, workers)
        mutex = .allocate(capacity: 1)
        mutex.initialize(to: pthread_mutex_t())
        changed = .allocate(capacity: 1)
        changed.initialize(to: pthread_cond_t())
        do {
            for _ in 0..<workers { threads.append(try BackgroundThread { [self] in work() }) }
        } catch {
            if threads.isEmpty { throw error }  // fewer than asked for: slower, never wrong
        }
    }

    deinit {
        pthread_cond_destroy(changed)
        pthread_mutex_destroy(mutex)
        changed.deallocate()
        mutex.deallocate()
    }

    /// The clip of the next place, and the seconds that it was waited for; nil at the end or after
    /// `close`.
    package func next() -> (clip: LoadedClip, waited: Double)? {
        let start = monotonicSeconds()
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while !closed, taken < end, loaded[taken] == nil { pthread_cond_wait(changed, mutex) }
        guard !closed, let clip = loaded.removeValue(forKey: taken) else { return nil }
        taken += 1
        pthread_cond_broadcast(changed)
        return (clip, monotonicSeconds() - start)
    }

    /// Ends all reading and waits for the threads. Once.
    package func close() {
        decoder.cancellation.cancel()
        pthread_mutex_lock(mutex)
        closed = true
        pthread_cond_broadcast(changed)
        pthread_mutex_unlock(mutex)
        for thread in threads { thread.join() }
        threads = []
    }

    private func work() {
        while true {
            pthread_mutex_lock(mutex)
            while !closed, claimed < end, claimed >= taken + capacity {
                pthread_cond_wait(changed, mutex)
            }
            if closed || claimed >= end {
                pthread_mutex_unlock(mutex)
                return
            }
            let place = claimed
            claimed += 1
            pthread_mutex_unlock(mutex)

            let clip = load(place)

            pthread_mutex_lock(mutex)
            loaded[place] = clip
            pthread_cond_broadcast(changed)
            pthread_mutex_unlock(mutex)
        }
    }

    private func load(_ place: Int) -> LoadedClip {
        var (unreadable, tooShort): ([(row: Int, problem: String)], [Int]) = ([], [])
        var attempt = 0
        while let (row, start, view) = choice(place, attempt) {
            attempt += 1
            let entry = entries[row]
            if let problem = entry.problem {
                unreadable.append((row, problem))
                continue
            }
            do {
                let clip = try decoder.clip(entry.path, at: start, view)
                if clip.sourceFrames < minimumFrames {
                    tooShort.append(row)
                    continue
                }
                return LoadedClip(
                    name: entry.name, clip: clip, unreadable: unreadable, tooShort: tooShort)
            } catch VideoIOError.cancelled {
                break
            } catch {
                unreadable.append((row, "\(error)"))
            }
        }
        return LoadedClip(name: nil, clip: nil, unreadable: unreadable, tooShort: tooShort)
    }
}
