import MafinMethod
import MafinPipeline
import MafinRetrieval

extension Comparison {
    /// Measures the chosen method's gain with fewer labels, at as many sizes as there is time for.
    func measureLearningCurve(of chosen: TrainingRecord) throws {
        let labelled = data.index.trainQueries
        let seed = plan.request.seed
        func evaluation(_ name: String) -> RunEvaluation? {
            rows.first { $0.name == name && $0.seed == seed }?.evaluation
        }
        // The point with all labels comes from the training with the first seed, so the other points get the same time.
        guard let baseline = evaluation(StandardRivals.blackBoxName), let evaluation = evaluation(chosen.name),
            let seconds = try store.unit(Self.timeUnit(seed))?.trainingSeconds
        else { return }
        var differences = [labelled.count: evaluation.differences(from: baseline, in: plan.metric)]
        // A size close to all labels would only show the variance between subsets.
        for size in LearningCurve.sizes(upTo: labelled.count).dropLast()
        where Double(size) < 0.85 * Double(labelled.count) {
            let name = "learning-curve.\(size)"
            let estimate = chosen.seconds * Double(size) / Double(labelled.count)
            if try store.unit(name) == nil, store.isFinished || secondsLeft < estimate { break }
            let unit = try part(name, title: "\(chosen.name) with \(size) labelled queries", seed: seed) {
                let learned = LearningCurve.subset(of: labelled, size: size, seed: seed, repeated: 0)
                let limited = try training.seeded(seed, seconds: seconds).limited(toTrainQueries: learned, seed: seed)
                let trained = try limited.train(chosen.contender, checkpointFolder: nil, isCancelled: isCancelled)
                let evaluation = try training.evaluate(
                    limited.systems(of: trained).vectors, on: qrels, metrics: [plan.metric])
                return ComparisonUnit(differences: evaluation.differences(from: baseline, in: plan.metric))
            }
            differences[size] = unit.differences
        }
        guard differences.count > 1 else {
            return leaveOut(
                "Learning curve",
                labelled.count <= (LearningCurve.standardSizes.first ?? 0)
                    ? "\(labelled.count) labelled queries are too few for one."
                    : "There was no time left.")
        }
        result.learningCurve = LearningCurve(labelled: labelled, sizes: Array(differences.keys), seed: seed) {
            learned, _ in
            differences[learned.count] ?? []
        }
    }
}
