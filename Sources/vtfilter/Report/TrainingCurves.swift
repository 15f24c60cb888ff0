import FoundationEssentials
import Glibc
import TensorFiles

/// What a run's `metrics.jsonl` says, as curves; a file that grew is read from where it ended before.
package final class TrainingCurves {
    private let path: String
    private let clipsOfBatch: Int
    private var offset: off_t = 0
    private var series: [String: CurveSeries] = [:]
    private var logged = 0

    /// The last batch of which there is something, counted from 1.
    package private(set) var lastBatch = 0
    /// Seconds of computing batches, all parts of the run together.
    package private(set) var seconds = 0.0

    /// The curves of a file whose batches have so many clips.
    package init(_ path: String, clipsOfBatch: Int) {
        (self.path, self.clipsOfBatch) = (path, clipsOfBatch)
    }

    /// The values of a name; none where it was not logged.
    package subscript(name: String) -> CurveSeries { series[name] ?? CurveSeries() }

    /// Reads what was added to the file.
    package func update() {
        let number = path.withPathBytes { open($0, O_RDONLY | O_CLOEXEC) }
        guard number >= 0 else { return }
        defer { close(number) }
        var (line, chunk): ([UInt8], [UInt8]) = ([], [UInt8](repeating: 0, count: 1 << 16))
        var at = offset
        while true {
            let count = pread(number, &chunk, chunk.count, at)
            if count <= 0 { break }
            at += off_t(count)
            for byte in chunk.prefix(count) {
                line.append(byte)
                guard byte == 10 else { continue }
                add(line)
                offset += off_t(line.count)
                line.removeAll(keepingCapacity: true)
            }
        }
    }

    private func add(_ line: [UInt8]) {
        guard
            let values = try? JSONDecoder().decode([String: Double?].self, from: Data(line)),
            let number = values["batch"].flatMap(\.self)
        else { return }
        let batch = number + 1
        lastBatch = max(lastBatch, Int(batch))
        for case (let name, let value?) in values {
            series[name, default: CurveSeries()].add(value, at: batch)
        }
        if let rate = values["train/clips_per_second"].flatMap(\.self), rate > 0 {
            seconds += Double((Int(batch) - logged) * clipsOfBatch) / rate
            logged = Int(batch)
        }
    }
}
