/// What the environment says of who started this process: `mpirun` of one of the libraries, `srun`, or
/// nobody who starts several.
package struct MPILauncher: Equatable, Sendable {
    /// The libraries that there is a plug-in for; their interfaces are different to a linker.
    package enum Library: String, CaseIterable, Sendable { case openmpi, mpich }

    /// Processes of the run.
    package let count: Int
    /// Which of them this is.
    package let rank: Int
    /// The plug-ins that may fit, the likeliest first.
    package let libraries: [Library]
    /// A plug-in's file that `VIDTWIN_MPI` names.
    package let file: String?

    /// What `variable` says by name; nil where this process is not one of several.
    ///
    /// - Throws: `TrainingError.failure` where it is, and nothing says how they find each other.
    package init?(_ variable: (String) -> String?) throws {
        func number(_ name: String) -> Int? { variable(name).flatMap { Int($0) } }
        let choice = variable("VIDTWIN_MPI").flatMap { $0.isEmpty ? nil : $0 }
        if choice == "off" { return nil }
        let hasPMI = variable("PMI_RANK") != nil || variable("PMI_FD") != nil
        let hasPMIx = variable("PMIX_RANK") != nil
        let tasks = number("SLURM_STEP_NUM_TASKS")
        if let size = number("OMPI_COMM_WORLD_SIZE") {
            (count, rank) = (size, number("OMPI_COMM_WORLD_RANK") ?? 0)
            libraries = [.openmpi]
        } else if let size = number("PMI_SIZE") ?? (hasPMI || hasPMIx ? tasks : nil) {
            (count, rank) = (
                size, number("PMI_RANK") ?? number("PMIX_RANK") ?? number("SLURM_PROCID") ?? 0
            )
            libraries = hasPMIx ? [.openmpi, .mpich] : [.mpich, .openmpi]
        } else if let tasks, tasks > 1 {
            throw TrainingError.failure(
                "started by srun as one of \(tasks) processes that cannot find each other: expected "
                    + "srun --mpi=pmix (Open MPI) or --mpi=pmi2 (MPICH); VIDTWIN_MPI=off trains in "
                    + "each by itself")
        } else {
            return nil
        }
        if count < 2 { return nil }
        file = choice.flatMap { $0.contains("/") ? $0 : nil }
    }
}
