import HTTPTypes
import MafinBlackBox
import MafinEncoder
import MafinImages
import MafinMethod
import MafinNumerics
import MafinPipeline

/// How queries are answered if the black box is not asked (`MafinPipeline/StandIn`).
struct StandInAnswers: Sendable {
    /// Computes with the stand-in's encoder.
    let engine: LocalEngine
    /// What its vectors become.
    let reading: StandInReading

    /// How the scores are added.
    var mixing: Mixture { reading.mixing }

    /// Who answers a query that these sources rank: the stand-in, if one with a weight reads its estimates.
    func answers(_ sources: [any ScoreSource], weights: SourceWeights) -> ServedModel.AnsweredBy? {
        let made: SourceInputs = reading.heads.local == nil ? [.blackBox, .estimate] : [.blackBox, .estimate, .local]
        return sources.contains { weights[$0.name] > 0 && !$0.queryInputs.isDisjoint(with: made) } ? .standIn : nil
    }
}

/// Vectors in the space of the local encoder, as they rank.
struct LocalSpace: Sendable {
    let engine: LocalEngine
    /// Estimates the vectors of queries; `nil`: the local encoder makes them.
    let standIn: StandInAnswers?

    func tokenizer(_ role: TextRole) -> RoleTokenizer? {
        (role == .query ? standIn?.engine ?? engine : engine).tokenizer(role)
    }

    /// - Throws: ``ServiceError``; `CancellationError`.
    func embed(_ rows: ItemBatch, as role: TextRole) async throws -> Matrix {
        guard role == .query, let standIn else { return try await engine.embed(rows, as: role) }
        do {
            let estimates = try await standIn.reading.heads(standIn.engine.embed(rows, as: .query))
            guard let local = estimates.local else {
                preconditionFailure("the stand-in has no head for the local encoder")
            }
            return local
        } catch let error as CombinationError {
            throw ServiceError(.unprocessableContent, .invalidRequest, "\(error)", parameter: "query")
        }
    }
}

extension ServedModel {
    /// The local encoder's space; `nil` without a local encoder. In a service that never asks, queries are the stand-in's, if it
    /// estimates them.
    var localSpace: LocalSpace? {
        engine.map { LocalSpace(engine: $0, standIn: isOffline && standIn?.reading.heads.local != nil ? standIn : nil) }
    }

    /// What gave the query's vector, if a source needs one.
    enum AnsweredBy: String, Sendable, Codable {
        case blackBox = "black-box"
        case standIn = "stand-in"
    }

    /// What the sources read of queries if the black box is not asked.
    struct Estimates: Sendable {
        var queries: SourceQueries
        /// Tokens of all texts, as the stand-in counts.
        var tokens: Int
    }

    /// Computes the stand-in's estimates, and the local vectors if they are needed, at the same time.
    /// - Parameter parameter: the field of the request that holds the texts.
    /// - Throws: ``ServiceError``; `CancellationError`.
    func estimates(
        of items: [Item], by standIn: StandInAnswers, maximumTokens: Int, parameter: String
    ) async throws -> Estimates {
        let begin = ContinuousClock.now
        let batch = try standIn.engine.reader(.query).inputs(of: items, parameter: parameter)
        let own =
            standIn.reading.needsLocal
            ? try engine.map { ($0, try $0.reader(.query).inputs(of: items, parameter: parameter)) } : nil
        metrics.recordStage(.tokenize, since: begin)
        try requireRoom(for: batch.tokenCount, maximumTokens: maximumTokens)
        async let rows = measured(.standIn) { try await standIn.engine.embed(batch, as: .query) }
        var local: Matrix?
        if let (engine, batch) = own {
            local = try await measured(.local) { try await engine.embed(batch, as: .query) }
        }
        do {
            let ids = items.indices.map { "input \($0)" }
            return Estimates(
                queries: try SourceQueries(
                    ids: ids, texts: items.map(\.text), estimates: standIn.reading.heads(try await rows, ids: ids),
                    own: local),
                tokens: batch.tokenCount)
        } catch let error as CombinationError {
            throw ServiceError(.unprocessableContent, .invalidRequest, "\(error)", parameter: parameter)
        }
    }

    /// Refuses to embed a document if that would ask the black box.
    /// - Throws: ``ServiceError``.
    func requireNoDocument() throws {
        guard isOffline,
            sources.contains(where: { $0 is any DenseSource && $0.documentInputs.contains(.blackBox) })
        else { return }
        throw ServiceError(
            .unprocessableContent, .invalidRequest,
            "a document's vector needs the black box, which this service never asks (--offline): its stand-in embeds queries alone (input_type query); embed documents with 'mafin embed' or 'mafin index'",
            parameter: "input_type", code: "offline")
    }
}
