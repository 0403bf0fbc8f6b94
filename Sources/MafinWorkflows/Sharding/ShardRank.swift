/// Which of many workers this process is, and which shards it makes.
package struct ShardRank: Equatable, Sendable {
    /// Its number among the workers, from 0.
    package var rank: Int
    /// Number of workers; `nil` if the launcher does not tell.
    package var workers: Int?

    package init(rank: Int, workers: Int? = nil) { (self.rank, self.workers) = (rank, workers) }

    /// Where the number comes from.
    package enum Source: String, CaseIterable, Sendable {
        /// A task of a Slurm array, or of `srun`, or both.
        case slurm
        /// An indexed job of Kubernetes.
        case kubernetes
        /// `mpirun` of OpenMPI or MPICH, as a launcher alone.
        case mpi
        /// `MAFIN_RANK` and `MAFIN_WORKERS`.
        case environment
    }

    /// The shards of this worker: its own number, and with fewer workers than shards every further one at the distance of the
    /// number of workers. Without a number of workers it is its own shard alone.
    /// - Throws: ``WorkflowError/shardRank(reason:)`` if there is no such shard.
    package func shards(of count: Int) throws -> [Int] {
        if let workers, workers > 0 { return Array(stride(from: rank, to: count, by: workers)) }
        guard rank < count else {
            throw WorkflowError.shardRank(reason: "rank \(rank) of \(count) shards: ranks count from 0 to \(count - 1)")
        }
        return [rank]
    }

    /// Reads the variables that a launcher sets.
    /// - Throws: ``WorkflowError/shardRank(reason:)`` if they are missing or no numbers.
    package init(from source: Source, environment: [String: String]) throws {
        func number(_ name: String) throws -> Int? {
            guard let text = environment[name], !text.isEmpty else { return nil }
            guard let number = Int(text), number >= 0 else {
                throw WorkflowError.shardRank(reason: "\(name) must be a number of at least 0, found '\(text)'")
            }
            return number
        }
        func missing(_ names: String) -> WorkflowError {
            .shardRank(reason: "--rank-from \(source.rawValue) reads \(names), which is not set")
        }
        switch source {
        case .slurm:
            let task = try number("SLURM_ARRAY_TASK_ID").map { id in
                let step = max(1, try number("SLURM_ARRAY_TASK_STEP") ?? 1)
                return ShardRank(
                    rank: (id - (try number("SLURM_ARRAY_TASK_MIN") ?? 0)) / step,
                    workers: try number("SLURM_ARRAY_TASK_COUNT"))
            }
            // Only srun sets the number of tasks of a step. A batch script without srun is one process, whatever it reserved.
            var process: ShardRank?
            if let count = try number("SLURM_STEP_NUM_TASKS"), let rank = try number("SLURM_PROCID") {
                process = ShardRank(rank: rank, workers: count)
            }
            switch (task, process) {
            case (nil, nil): throw missing("SLURM_ARRAY_TASK_ID, or SLURM_PROCID under srun")
            case (let one?, nil), (nil, let one?): self = one
            case (let task?, let process?):
                let inTask = process.workers ?? 1
                self = ShardRank(rank: task.rank * inTask + process.rank, workers: task.workers.map { $0 * inTask })
            }
        case .kubernetes:
            guard let rank = try number("JOB_COMPLETION_INDEX") else { throw missing("JOB_COMPLETION_INDEX") }
            self = ShardRank(rank: rank)
        case .mpi:
            for (rank, count) in [("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"), ("PMI_RANK", "PMI_SIZE")] {
                guard let rank = try number(rank) else { continue }
                self = ShardRank(rank: rank, workers: try number(count))
                return
            }
            throw missing("OMPI_COMM_WORLD_RANK or PMI_RANK")
        case .environment:
            guard let rank = try number("MAFIN_RANK") else { throw missing("MAFIN_RANK") }
            self = ShardRank(rank: rank, workers: try number("MAFIN_WORKERS"))
        }
        if let workers, rank >= workers {
            throw WorkflowError.shardRank(reason: "rank \(rank) of \(workers) workers: ranks count from 0")
        }
    }
}
