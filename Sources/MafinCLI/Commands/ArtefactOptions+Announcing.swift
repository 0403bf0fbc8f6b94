import MafinBlackBox
import MafinCommandLine
import MafinPipeline
import MafinProviderWorkflows
import MafinProviders

extension ArtefactOptions {
    /// Tells what an embedding API will be asked in all, and stops if that is above a limit. Nothing is asked.
    /// - Parameter next: gives the texts block by block; nil at the end.
    /// - Throws: `ProviderError.overBudget`.
    func announce(
        _ model: ArtefactModel, _ shared: SharedOptions, as role: TextRole, next: () async throws -> [EmbeddingItem]?
    ) async throws {
        let stored = model.manifest.blackBoxSource
        guard let opened = try blackBox.openedProvider(shared, default: stored) else { return }
        let overflow = try blackBox.source(default: stored).overflow ?? .error
        let ruler = try TokenRuler(opened.profile, tokenizer: blackBox.asking.tokenizer)
        var plan: EmbeddingPlan?
        while let block = try await next() {
            let part = try await EmbeddingPlan(
                opened.server, cache: opened.cache, texts: [(role, block)], ruler: ruler, overflow: overflow,
                isInBatches: blackBox.asking.batch)
            plan = plan?.adding(part) ?? part
        }
        guard let plan else { return }
        if plan.toAsk > 1 { shared.note(plan.summary) }
        try await plan.require(withinLimitOf: opened.server)
    }
}
