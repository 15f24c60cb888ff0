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
        // So small that products of two are numbers.
        func number(_ name: String) -> Int? {
            environment(name).flatMap { Int32($0) }.map { Int($0) }
        }
        // A process of Open MPI; of MPICH and others that have its process manager; of srun.
        let process =
            [
                ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"), ("PMI_RANK", "PMI_SIZE"),
                ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),
            ].compactMap { rank, size in
                number(rank).flatMap { rank in number(size).map { (rank, $0) } }
            }.first
        // Alone, or in an element of Slurm's array of jobs.
        if let task = number("SLURM_ARRAY_TASK_ID"), let tasks = number("SLURM_ARRAY_TASK_COUNT") {
            let (least, most) = (
                number("SLURM_ARRAY_TASK_MIN") ?? 0, number("SLURM_ARRAY_TASK_MAX") ?? 0
            )
            if most - least + 1 != tasks {
                throw UsageError(
                    "--shard auto: expected an array of jobs numbered without gaps, found \(tasks) of "
                        + "\(least) to \(most)")
            }
            let (rank, size) = process ?? (0, 1)
            return try ShardChoice.shard((task - least) * size + rank, of: tasks * size)
        }
        if let (rank, size) = process { return try ShardChoice.shard(rank, of: size) }
        // What a job's script starts without srun.
        if number("SLURM_PROCID") != nil { return Shard.whole }
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
