import Glibc
import Synchronization

/// What must be put right around a `fork`.
///
/// The child of a process with threads has the forking thread and no other, and every lock as it
/// was at that moment. PyTorch's data loaders fork after a model was opened.
package protocol ForkParticipant: AnyObject, Sendable {
    /// In the parent, before: takes the locks that guard what both processes go on to use. They are
    /// held for moments only, and with them nothing of another participant is waited for.
    func beforeFork()
    /// After: gives the locks back; in the child, where no other thread is, also leaves behind what
    /// threads of the parent were using.
    func afterFork(inChild: Bool)
}

/// The participants of the process.
package enum Fork {
    /// Forks that lie between this process and the one that loaded the library.
    package static var generation: Int { count.load(ordering: .relaxed) }

    private static let count = Atomic<Int>(0)
    nonisolated(unsafe) private static let mutex: UnsafeMutablePointer<pthread_mutex_t> = {
        let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
        mutex.initialize(to: pthread_mutex_t())
        pthread_atfork(
            { Fork.before() }, { Fork.after(inChild: false) }, { Fork.after(inChild: true) })
        return mutex
    }()
    private struct Unretained {
        unowned(unsafe) let participant: any ForkParticipant
    }
    /// Guarded by `mutex`; a participant leaves before it is gone.
    nonisolated(unsafe) private static var participants: [ObjectIdentifier: Unretained] = [:]

    /// Has a participant called from now on. It is not kept alive: it leaves before it goes.
    package static func join(_ participant: some ForkParticipant) {
        pthread_mutex_lock(mutex)
        participants[ObjectIdentifier(participant)] = Unretained(participant: participant)
        pthread_mutex_unlock(mutex)
    }

    /// Ends `join`.
    package static func leave(_ participant: some ForkParticipant) {
        pthread_mutex_lock(mutex)
        participants[ObjectIdentifier(participant)] = nil
        pthread_mutex_unlock(mutex)
    }

    private static func before() {
        pthread_mutex_lock(mutex)
        for entry in participants.values { entry.participant.beforeFork() }
    }

    private static func after(inChild: Bool) {
        if inChild { count.add(1, ordering: .relaxed) }
        for entry in participants.values { entry.participant.afterFork(inChild: inChild) }
        pthread_mutex_unlock(mutex)
    }
}
