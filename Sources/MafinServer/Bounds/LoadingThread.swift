import Dispatch

/// The thread on which artefacts are loaded. Reading weights and building BM25 computes for seconds, which would keep Swift's few threads from
/// answering requests.
final class LoadingThread: TaskExecutor {
    private let queue = DispatchQueue(label: "mafin.loading", qos: .utility)

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
