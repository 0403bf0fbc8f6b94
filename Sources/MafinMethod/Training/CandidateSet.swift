import MafinNumerics

/// The columns of a step's score block.
package enum CandidateSet: Equatable {
    /// Every document, in order.
    case corpus
    /// These documents, with distinct texts.
    case documents([Int])
    /// The same columns in all steps of the run.
    case fixed
}

/// One step, ready to be computed: the rows and columns of its score block, and its labels.
package struct TrainingStep {
    /// The query of each row.
    var queries: [Int]
    /// The columns.
    package var candidates: CandidateSet
    /// Documents to encode with gradient, with distinct texts.
    var encoded: [Int]
    /// The columns whose texts are encoded, each with the position of its text in ``encoded``.
    var freshColumns: [(column: Int, position: Int)]
    /// Labels of the block.
    package var labels: BlockLabels
    /// For each row the mixed score above which a column may be an unlabelled positive, and the columns of the row's own mined negatives; empty
    /// where nothing was mined.
    var suspicions: [(threshold: Float, negatives: [Int])] = []

    /// The labels of a block whose scores are known: columns that may be unlabelled positives are masked too.
    ///
    /// A mined negative stays one, whatever it scores by now: it was no suspect when it was mined, and those that have come closer
    /// since then teach the most.
    /// - Parameter mixedScorePerLogit: see ``ScoreHead/mixedScorePerLogit``.
    func labels(of logits: Matrix, mixedScorePerLogit: Float) -> BlockLabels {
        var labels = labels
        for (row, suspicion) in suspicions.enumerated() where suspicion.threshold < .infinity {
            let known = Set(labels.relevant[row].map(\.column) + labels.masked[row] + suspicion.negatives)
            let suspects = (0..<logits.columns).filter {
                logits[row, $0] * mixedScorePerLogit > suspicion.threshold && !known.contains($0)
            }
            if !suspects.isEmpty { labels.masked[row] = (labels.masked[row] + suspects).sorted() }
        }
        return labels
    }
}

extension StepPlan {
    /// The step of this plan against every document. The rows of ``documents`` are encoded anew, all others come from
    /// the bank.
    ///
    /// Three kinds of documents are masked: those that share the text of a positive without being labelled, positives
    /// of other queries with the same text, and, in a plan with targets, the query's other positives.
    package func againstCorpus(_ index: TrainingIndex) -> TrainingStep {
        let encoded = DistinctRows(documents, identities: index.documentIdentities)
        var fresh: [(column: Int, position: Int)] = []
        for (position, document) in encoded.rows.enumerated() {
            for column in index.repeatedDocuments[index.documentIdentities[document]] ?? [document] {
                fresh.append((column, position))
            }
        }
        var labels = BlockLabels(relevant: [])
        for (row, query) in queries.enumerated() {
            let positives = index.labels[query]
            let wanted = targets.map { targets in positives.filter { $0.column == targets[row] } } ?? positives
            var masked = Set(index.documentsWithTextOfPositive(of: query))
            for judgement in wanted { masked.remove(judgement.column) }
            labels.relevant.append(wanted)
            labels.masked.append(masked.sorted())
        }
        return TrainingStep(
            queries: queries, candidates: .corpus, encoded: encoded.rows, freshColumns: fresh, labels: labels)
    }

    /// The step of this plan against a list of candidates, which includes the documents of the plan. Each distinct text
    /// is one column, so a document with the text of a positive shares that positive's column.
    /// - Parameters:
    ///   - others: candidates in addition to the documents of the plan.
    ///   - mined: says which of the candidates may be unlabelled positives.
    package func againstDocuments(
        _ index: TrainingIndex, others: [Int] = [], mined: MinedNegatives? = nil
    ) -> TrainingStep {
        let columns = DistinctRows(documents + others, identities: index.documentIdentities)
        let encodedCount = DistinctRows(documents, identities: index.documentIdentities).rows.count
        // The documents of the plan come first, so their columns equal their positions among the encoded documents.
        var step = TrainingStep(
            queries: queries, candidates: .documents(columns.rows), encoded: Array(columns.rows.prefix(encodedCount)),
            freshColumns: (0..<encodedCount).map { ($0, $0) }, labels: labels(columns, index))
        if let mined {
            step.suspicions = queries.map { query in
                let negatives = mined.negatives[query] ?? []
                return (
                    mined.thresholds[query] ?? .infinity,
                    negatives.compactMap { columns.positionOfIdentity[index.documentIdentities[$0]] }
                )
            }
        }
        return step
    }

    /// The step of a plan without documents, against columns that are the same in every step.
    func againstFixedColumns(_ columns: DistinctRows, _ index: TrainingIndex) -> TrainingStep {
        precondition(documents.isEmpty, "documents to encode, and columns that never change")
        return TrainingStep(
            queries: queries, candidates: .fixed, encoded: [], freshColumns: [], labels: labels(columns, index))
    }

    private func labels(_ columns: DistinctRows, _ index: TrainingIndex) -> BlockLabels {
        func column(_ document: Int) -> Int? { columns.positionOfIdentity[index.documentIdentities[document]] }
        var labels = BlockLabels(relevant: [])
        for (row, query) in queries.enumerated() {
            var grades: [Int: Float] = [:]
            var masked = Set<Int>()
            for positive in index.labels[query] {
                guard let column = column(positive.column) else { continue }
                masked.insert(column)
                if let target = targets?[row], target != positive.column { continue }
                grades[column] = max(grades[column] ?? 0, positive.grade)
            }
            for document in index.positivesOfSameText[query] ?? [] {
                if let column = column(document) { masked.insert(column) }
            }
            masked.subtract(grades.keys)
            labels.relevant.append(
                grades.sorted { $0.key < $1.key }.map { Judgement(column: $0.key, grade: $0.value) })
            labels.masked.append(masked.sorted())
        }
        return labels
    }
}

/// Which documents are candidates in the loss.
public enum CandidateScope: String, Sendable, Codable, CaseIterable {
    /// Every document. Documents that no training query judges are negatives of every query.
    case corpus
    /// Only documents that some training query judges, as relevant or not, so that training does not push away
    /// documents without a label. For collections whose held-out queries ask for documents that no training query
    /// judges.
    case labelled
}
