import ArgumentParser

/// Threads that compute.
struct ThreadOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Threads that compute (default: all CPUs).", valueName: "n"))
    var threads: Parsed<ThreadCount>?

    func validate() throws { try threads?.check("--threads") }

    /// The number, nil for all CPUs.
    var count: Int? { threads?.value?.count }
}

/// How many threads.
package struct ThreadCount: OptionValue {
    package static var expected: String { "1 to 1024" }

    /// The number.
    package let count: Int

    package init?(option text: String) {
        guard let count = Int(text), (1...1024).contains(count) else { return nil }
        self.count = count
    }
}
