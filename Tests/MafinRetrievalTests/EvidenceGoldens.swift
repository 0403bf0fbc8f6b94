/// Results of scipy and ranx, written by Tools/write_evidence_goldens.py.
struct EvidenceGoldens: Decodable {
    struct Planning: Decodable {
        struct Quantile: Decodable {
            let p: Double
            let degrees: Double
            let t: Double
        }
        struct Detectable: Decodable {
            let queries: Int
            let significance: Double
            let power: Double
            let ratio: Double
        }
        let quantiles: [Quantile]
        let detectable: [Detectable]
    }
    struct Fusion: Decodable {
        let runs: [[String: [String: Float]]]
        let reciprocalRank: [String: [String: Double]]
        let weights: [Double]
        let weightedSum: [String: [String: Double]]
    }
    struct Comparison: Decodable {
        let qrels: [String: [String: Int]]
        let first: [String: [String: Float]]
        let second: [String: [String: Float]]
        /// By system, metric and query.
        let values: [String: [String: [String: Double]]]
        /// By metric and package.
        let p: [String: [String: Double]]
    }
    let planning: Planning
    let fusion: Fusion
    let comparison: Comparison

    static func read() throws -> EvidenceGoldens { try Golden.decode("evidence.json", as: EvidenceGoldens.self) }
}
