import Testing
import VidTwinTraining

/// What does not need MPI of a run by several processes; `Tests/Training/processes.py` runs the rest.
struct ProcessesTests {
    struct Environment: CustomStringConvertible {
        let description: String
        let variables: [String: String]
        let count, rank: Int
        let libraries: [MPILauncher.Library]

        static let all = [
            Environment(
                description: "Open MPI's mpirun",
                variables: [
                    "OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "3", "PMIX_RANK": "3",
                ], count: 4, rank: 3, libraries: [.openmpi]),
            Environment(
                description: "MPICH's mpirun",
                variables: ["PMI_SIZE": "2", "PMI_RANK": "1", "PMI_FD": "7"],
                count: 2, rank: 1, libraries: [.mpich, .openmpi]),
            Environment(
                description: "srun --mpi=pmix",
                variables: [
                    "SLURM_STEP_NUM_TASKS": "8", "SLURM_PROCID": "5", "PMIX_RANK": "5",
                ], count: 8, rank: 5, libraries: [.openmpi, .mpich]),
            Environment(
                description: "srun --mpi=pmi2",
                variables: [
                    "SLURM_STEP_NUM_TASKS": "8", "SLURM_PROCID": "5", "PMI_SIZE": "8",
                    "PMI_RANK": "5",
                ], count: 8, rank: 5, libraries: [.mpich, .openmpi]),
        ]
    }

    @Test(arguments: Environment.all)
    func `a launcher is known by its environment`(_ one: Environment) throws {
        let found = try #require(try MPILauncher { one.variables[$0] })
        #expect(found.count == one.count)
        #expect(found.rank == one.rank)
        #expect(found.libraries == one.libraries)
        #expect(found.file == nil)
        let named = try MPILauncher { $0 == "VIDTWIN_MPI" ? "/a/b.so" : one.variables[$0] }
        #expect(named?.file == "/a/b.so")
        #expect(try MPILauncher { $0 == "VIDTWIN_MPI" ? "off" : one.variables[$0] } == nil)
    }

    @Test(arguments: [
        [:], ["OMPI_COMM_WORLD_SIZE": "1", "OMPI_COMM_WORLD_RANK": "0"],
        // A script that sbatch runs, and a step of one task.
        ["SLURM_PROCID": "0", "SLURM_NTASKS": "4", "SLURM_JOB_ID": "7"],
        ["SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"],
    ])
    func `one process is no launcher's`(_ variables: [String: String]) throws {
        #expect(try MPILauncher { variables[$0] } == nil)
    }

    @Test func `processes of srun that cannot find each other are an error`() {
        let variables = ["SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "2"]
        #expect {
            try MPILauncher { variables[$0] }
        } throws: {
            "\($0)".contains("one of 4 processes") && "\($0)".contains("--mpi=pmix")
        }
    }

    @Test(arguments: [(1, 6, 2), (2, 3, 2), (3, 2, 2), (6, 1, 2), (2, 1, 3)])
    func `processes take the clips of a batch that one takes alone`(
        _ count: Int, _ clips: Int, _ accumulate: Int
    ) {
        let batchClips = count * clips * accumulate
        for batch in 0..<3 {
            var places: [Int] = []
            for micro in 0..<accumulate {
                for rank in 0..<count {
                    let share = BatchShare(rank: rank, processes: count, clips: clips)
                    for clip in 0..<clips {
                        let index = (batch * accumulate + micro) * clips + clip
                        let place = share.place(index, batchClips: batchClips)
                        #expect(place == batch * batchClips + share.first(micro: micro) + clip)
                        places.append(place)
                    }
                }
            }
            #expect(places == Array(batch * batchClips..<(batch + 1) * batchClips))
        }
    }
}
