/// Where a run's configuration is.
package enum RunConfiguration {
    /// The file that a run to go on with was started from, as it was merged.
    ///
    /// - Throws: `TrainingError.resume` for a checkpoint that lies in no run's folder.
    package static func path(of resumed: String) throws -> String {
        let checkpoint = ResumedRun.checkpoint(of: resumed)
        let parts = checkpoint.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count >= 2, parts[parts.count - 2] == "checkpoints" else {
            throw TrainingError.resume(
                "\(resumed): expected a run's folder, or -b CONFIG beside a checkpoint")
        }
        let home = parts.dropLast(2).map { $0 + "/" }.joined()
        return home + "config.yaml"
    }
}
