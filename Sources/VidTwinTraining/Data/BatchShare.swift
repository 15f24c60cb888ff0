/// Which clips of a batch one of several processes takes: of each micro-batch the `rank`-th part.
package struct BatchShare: Sendable {
    package var rank = 0
    package var processes = 1
    /// Of a process and a micro-batch.
    package var clips = 1

    package init(rank: Int = 0, processes: Int = 1, clips: Int) {
        (self.rank, self.processes, self.clips) = (rank, processes, clips)
    }

    /// Number within the batch of a micro-batch's first clip of this process.
    package func first(micro: Int) -> Int { (micro * processes + rank) * clips }

    /// The place in the run of the clip that this process takes as its `index`-th, of batches of
    /// `batchClips`.
    package func place(_ index: Int, batchClips: Int) -> Int {
        let own = batchClips / processes
        let (batch, clip) = (index / own, index % own)
        return batch * batchClips + first(micro: clip / clips) + clip % clips
    }
}
