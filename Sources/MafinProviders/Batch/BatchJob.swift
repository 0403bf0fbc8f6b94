import Foundation
import GRDB
import MafinBlackBox

/// A job of a batch API as the cache stores it, with the keys of its texts. Any later run can so collect the answers.
public struct BatchJob: Sendable, Hashable, Codable {
    /// The state of a job.
    public enum State: String, Sendable, Codable {
        /// It is stored in the cache. Nothing that costs money has been sent.
        case made
        /// The provider was asked to begin it, and its answer is not known yet.
        case beginning
        /// The provider is working on it.
        case running
        /// Its answers are in the cache.
        case done
        /// It ended without any answer.
        case failed
    }

    /// Its number in the cache.
    public let id: Int64
    /// A unique text that is sent with it, by which its batch can be found.
    public let tag: String
    /// The name of the provider's profile.
    public let provider: String
    /// The name of the model.
    public let model: String
    /// Base address of the provider.
    public let base: String
    /// Its state.
    public var state: State
    /// The provider's id of the uploaded file; nil before the upload.
    public var file: String?
    /// The provider's id of the batch; nil before it has begun.
    public var remote: String?
    /// When it was made.
    public let made: Date
    /// The last report about it.
    public var note: String?
    /// Texts in it.
    public var texts: Int
    /// The source of its vectors, as the cache describes it.
    let source: String
}

extension EmbeddingCache {
    /// Jobs that are not finished, the oldest first.
    public func pendingJobs() async throws -> [BatchJob] { try await jobs(where: "state NOT IN ('done', 'failed')") }

    /// All jobs, the oldest first.
    public func allJobs() async throws -> [BatchJob] { try await jobs(where: "1") }

    private func jobs(where condition: String, _ arguments: StatementArguments = []) async throws -> [BatchJob] {
        try await read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT id, tag, source, provider, model, base, state, file, remote, made, note,
                        (SELECT count(*) FROM job_item WHERE job = job.id) FROM job WHERE \(condition) ORDER BY id
                    """, arguments: arguments
            ).map { row in
                BatchJob(
                    id: row[0], tag: row[1], provider: row[3], model: row[4], base: row[5],
                    state: BatchJob.State(rawValue: row[6]) ?? .failed, file: row[7], remote: row[8],
                    made: Date(timeIntervalSince1970: row[9]), note: row[10], texts: row[11], source: row[2])
            }
        }
    }

    /// Unfinished jobs that hold at least one of the keys, and the positions of the keys that they hold.
    func jobs(holding keys: [EmbeddingKey]) async throws -> (jobs: [BatchJob], positions: Set<Int>) {
        let (ids, positions) = try await read { database -> (Set<Int64>, Set<Int>) in
            let statement = try database.cachedStatement(
                sql: """
                    SELECT job FROM job_item JOIN job ON job.id = job
                    WHERE key = ? AND state NOT IN ('done', 'failed') LIMIT 1
                    """)
            var (ids, positions): (Set<Int64>, Set<Int>) = ([], [])
            for (position, key) in keys.enumerated() {
                guard let id = try Int64.fetchOne(statement, arguments: [key.bytes]) else { continue }
                ids.insert(id)
                positions.insert(position)
            }
            return (ids, positions)
        }
        return (try await pendingJobs().filter { ids.contains($0.id) }, positions)
    }

    /// Stores a job, before anything of it is sent.
    /// - Parameter tag: one that no other job has.
    func makeJob(
        _ tag: String, lines: [[EmbeddingKey]], source: EmbeddingKey.Source, provider: String, model: String,
        base: String
    ) async throws -> BatchJob {
        let id = try await write { database -> Int64 in
            try database.execute(
                sql:
                    "INSERT INTO job (tag, source, provider, model, base, state, made) VALUES (?, ?, ?, ?, ?, 'made', ?)",
                arguments: [tag, source.description, provider, model, base, Int64(Date().timeIntervalSince1970)])
            let id = database.lastInsertedRowID
            let statement = try database.cachedStatement(
                sql: "INSERT INTO job_item (job, line, position, key) VALUES (?, ?, ?, ?)")
            for (line, keys) in lines.enumerated() {
                for (position, key) in keys.enumerated() {
                    try statement.execute(arguments: [id, line, position, key.bytes])
                }
            }
            return id
        }
        guard let job = try await jobs(where: "id = ?", [id]).first else {
            throw ProviderError.cacheUnusable(path: path, reason: "a job vanished while it was written")
        }
        return job
    }

    /// Stores the state of a job.
    func update(_ job: BatchJob) async throws {
        try await write { database in
            try database.execute(
                sql: "UPDATE job SET state = ?, file = ?, remote = ?, note = ? WHERE id = ?",
                arguments: [job.state.rawValue, job.file, job.remote, job.note, job.id])
        }
    }

    /// The keys of each line of a job, in the order of its texts.
    func lines(of job: BatchJob) async throws -> [[EmbeddingKey]] {
        try await read { database in
            var lines: [[EmbeddingKey]] = []
            let cursor = try Row.fetchCursor(
                database, sql: "SELECT line, key FROM job_item WHERE job = ? ORDER BY line, position",
                arguments: [job.id])
            while let row = try cursor.next() {
                let line: Int = row[0]
                while lines.count <= line { lines.append([]) }
                lines[line].append(EmbeddingKey(bytes: row[1]))
            }
            return lines
        }
    }
}
