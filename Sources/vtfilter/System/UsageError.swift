/// What was asked for contradicts itself, the model or the machine: found when the command line was
/// read already.
struct UsageError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
