/// Why training cannot start or go on.
package enum TrainingError: Error, CustomStringConvertible {
    /// A set of videos that cannot be trained on: what, where, expected, found.
    case data(String)
    /// A run that cannot be resumed as asked.
    case resume(String)
    /// Losses or gradients that are not finite, too often in a row.
    case nonFinite(String)
    /// A part of the machine that refused: no thread, no memory, no room.
    case failure(String)
    /// What another process of the run could not do, which it told all, and the status it ends with.
    case process(rank: Int, text: String, status: Int32)

    package var description: String {
        switch self {
        case .data(let text), .resume(let text), .nonFinite(let text), .failure(let text): text
        case .process(let rank, let text, _): "rank \(rank): \(text)"
        }
    }
}
