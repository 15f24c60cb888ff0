import Glibc
import TensorFiles
import VideoIO

/// `failed.csv`: the videos that could not be read, or not to their end.
enum FailedVideos {
    private static let header = "video,problem\n"

    /// Writes those of one part of a set.
    ///
    /// - Throws: what `NewFile.write` throws.
    static func write(
        _ failures: [(name: String, problem: String)], to folder: SetFolder, _ shard: Shard
    ) throws {
        let rows = failures.sorted { $0.name < $1.name }
            .map { "\(CSVText.cell($0.name)),\(CSVText.cell($0.problem))\n" }
        try NewFile.write(
            header + rows.joined(),
            to: path(folder, shard.description))
    }

    /// Puts the files of parts together, without videos that are done by now.
    ///
    /// - Throws: `VideoIOError.badInput` for one that cannot be read.
    static func merge(_ folder: SetFolder, _ shards: [String], done: Set<String>) throws {
        if shards == [Shard.whole.description] { return }
        let finished = Set(done.map { CSVText.cell($0) })
        var rows: Set<Substring> = []
        for shard in shards where shard != Shard.whole.description {
            let path = path(folder, shard)
            guard path.withPathBytes({ access($0, F_OK) }) == 0 else {
                Log.warning("part \(shard) was not run to its end")
                continue
            }
            let text = try InputFile.read(path, limit: 1 << 30)
            rows.formUnion(String(decoding: text, as: UTF8.self).split(separator: "\n").dropFirst())
        }
        let failed = rows.filter { !finished.contains(firstCell(of: $0)) }
        try NewFile.write(
            header + failed.sorted().map { $0 + "\n" }.joined(),
            to: path(folder, Shard.whole.description))
    }

    /// The first cell of a row, with its quotes: what `CSVText.cell` wrote.
    private static func firstCell(of row: Substring) -> String {
        var (end, isOpen) = (row.startIndex, false)
        while end < row.endIndex, isOpen || row[end] != "," {
            if row[end] == "\"" { isOpen.toggle() }
            end = row.index(after: end)
        }
        return String(row[..<end])
    }

    /// The file of a part, `i/n`, or of all.
    static func path(_ folder: SetFolder, _ shard: String) -> String {
        let part = shard.split(separator: "/").joined(separator: "-of-")
        return "\(folder.path)/failed\(shard == Shard.whole.description ? "" : "-\(part)").csv"
    }
}
