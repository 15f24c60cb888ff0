import Glibc

/// Which part of a set falls to this process: `i/n`, or what started it says so.
package enum ShardChoice: OptionValue, Equatable {
    case part(Shard)
    case automatic

    package static var expected: String { "i/n with i from 1 to n, or auto" }

    package init?(option text: String) {
        if text == "auto" {
            self = .automatic
        } else if let shard = Shard(option: text) {
            self = .part(shard)
        } else {
            return nil
        }
    }

    /// The part; with `auto`, out of the environment of MPI or Slurm.
    ///
    /// - Throws: `UsageError` where the environment has none.
    package func shard(_ environment: (String) -> String? = ShardChoice.variable) throws -> Shard {
        guard case .automatic = self else {
            if case .part(let shard) = self { return shard }
            return Shard.whole
        }
        func number(_ name: String) -> Int? { environment(name).flatMap { Int($0) } }
        // Open MPI; MPICH and others that have its process manager.
        for (rank, size) in [
            ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"), ("PMI_RANK", "PMI_SIZE"),
        ] {
            if let rank = number(rank), let size = number(size) {
                return try ShardChoice.shard(rank, of: size)
            }
        }
        // Slurm: processes of srun, elements of an array of jobs, or both.
        let (process, processes) = (
            number("SLURM_PROCID") ?? 0, max(number("SLURM_STEP_NUM_TASKS") ?? 1, 1)
        )
        if let task = number("SLURM_ARRAY_TASK_ID"), let tasks = number("SLURM_ARRAY_TASK_COUNT") {
            let (least, most) = (
                number("SLURM_ARRAY_TASK_MIN") ?? 0, number("SLURM_ARRAY_TASK_MAX") ?? 0
            )
            if most - least + 1 != tasks {
                throw UsageError(
                    "--shard auto: expected an array of jobs numbered without gaps, found \(tasks) of "
                        + "\(least) to \(most)")
            }
            return try ShardChoice.shard(
                (task - least) * processes + process, of: tasks * processes)
        }
        if environment("SLURM_PROCID") != nil {
            return try ShardChoice.shard(process, of: processes)
        }
        throw UsageError(
            "--shard auto: expected the environment of mpirun or of Slurm (OMPI_COMM_WORLD_RANK, PMI_RANK, "
                + "SLURM_ARRAY_TASK_ID, SLURM_PROCID), found none; give i/n")
    }

    private static func shard(_ index: Int, of count: Int) throws -> Shard {
        guard let shard = Shard(option: "\(index + 1)/\(count)") else {
            throw UsageError(
                "--shard auto: expected a rank below the number of processes, found "
                    + "\(index) of \(count)")
        }
        return shard
    }

    /// A variable of this process's environment.
    package static func variable(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }
    }
}
