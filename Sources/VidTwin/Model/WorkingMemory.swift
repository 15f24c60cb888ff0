import VidTwinKernels

extension Configuration {
    /// A generous estimate of the memory that computing one clip takes, in bytes, weights apart.
    package var workingBytes: Int {
        let (pixels, tokens) = (
            frames * height * width * 3, encoder.grid.time * encoder.grid.positions
        )
        // A block holds its input, a norm of it, q, k, v and the attention's result at once, or the
        // input and what is between the two layers of the MLP.
        func block(_ t: TransformerConfiguration) -> Int {
            tokens * (3 * t.width + max(4 * t.width, t.hidden + t.width))
        }
        // Queries of every position; then maps of every query, whose channels double as their
        // positions become a quarter, gathered in neighbourhoods of nine.
        let queries = encoder.grid.positions * qformer.queries
        let gathered =
            queries * (6 * qformer.width + qformer.hidden)
            + 2 * tokens * qformer.width
        let maps = queries * 10 * max(qformer.width, initialChannels << 1)
        let motion = tokens * 10 * encoder.width
        // Scores of one attention group.
        let longest = max(encoder.grid.positions, encoder.grid.time, qformer.queries)
        // Every factor is bounded by the configuration's reader; none of these overflows.
        let parts = [block(encoder), block(decoder), gathered, maps, motion]
        return 4 * (3 * pixels + (parts.max() ?? 0) + longest * longest)
    }

    /// A generous estimate of a thread's scratch memory, in bytes: of a task, its rows in each of the
    /// forms that they take on their way through a branch, a matrix that is widened, and scores.
    package var scratchBytes: Int {
        func block(_ t: TransformerConfiguration) -> Int {
            max(t.grid.positions, 128) * (8 * t.width + 4 * t.hidden) + t.width * t.hidden
        }
        let longest = max(encoder.grid.positions, encoder.grid.time, qformer.queries)
        let gathered = 128 * 9 * max(encoder.width, qformer.width, initialChannels << 1)
        let widened = max(
            qformer.width * qformer.hidden, 9 * encoder.width * encoder.width,
            9 * qformer.width * qformer.width)
        let library = 1 << 18  // oneDNN's own, for products by way of float32
        return 4
            * (max(block(encoder), block(decoder)) + gathered + widened + 2 * longest * longest
                + library)
    }

    /// Runs a computation on `count` clips that surely finds its memory.
    ///
    /// - Throws: `ModelError.memory`; what `body` throws.
    package func computing<Result>(
        on device: Device, clips count: Int = 1, _ body: () throws -> Result
    ) throws -> Result {
        let tensors = workingBytes.multipliedReportingOverflow(by: max(count, 1))
        return try device.computing(
            tensors: tensors.overflow ? .max / 4 : tensors.partialValue, scratch: scratchBytes,
            for: "\(count == 1 ? "a clip" : "\(count) clips") of \(frames) frames of "
                + "\(width)x\(height)", body)
    }

    /// Refuses a model whose computation cannot fit into the machine's memory.
    ///
    /// - Throws: `ModelError.memory`.
    package func checkWorkingMemory() throws {
        let bytes = workingBytes
        if bytes > MachineMemory.bytes {
            throw ModelError.memory(
                what: "a clip of \(frames) frames of \(width)x\(height) of \(path)", bytes: bytes)
        }
    }
}
