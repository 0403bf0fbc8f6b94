import MafinMethod
import MafinPipeline
import MafinRetrieval

/// A way to go on when a new black box is at hand, what it costs and what it keeps.
package struct MigrationRoad: Sendable, Encodable {
    /// The roads, in the order of the table.
    package enum Name: String, Sendable, Codable, CaseIterable {
        /// Go on with the old black box and the artefact as it is.
        case stay
        /// Buy the new black box's vectors of all documents.
        case reindex = "re-index"
        /// The same, and train the encoder of queries on beside the new black box. Only if a time is given.
        case reindexTrained = "re-index-trained"
        /// Buy a sample of documents, and map the old vectors of the others into the new space.
        case bridgeDocuments = "bridge-documents"
        /// Keep the old vectors of documents, and map the new black box's vectors of queries into the old space.
        case bridgeQueries = "bridge-queries"
        /// Keep the old vectors of documents, and answer by a stand-in without any black box.
        case standIn = "stand-in"

        /// The kind of road, as verdicts name it.
        package var decision: MigrationVerdict.Decision {
            switch self {
            case .stay: .stay
            case .reindex, .reindexTrained: .reindex
            case .bridgeDocuments, .bridgeQueries, .standIn: .bridge
            }
        }
    }

    /// The road.
    package var name: Name
    /// Number of documents whose new vectors it needs.
    package var newDocuments: Int
    /// What is still to be paid for these documents and the labelled queries before the command runs; nil: unknown.
    package var price: MigrationPrice?
    /// Numbers in the black box's part of a document's vector; nil if the road is not measured.
    package var dimension: Int?
    /// Why it is not measured; nil: it is.
    package var omitted: String?
    /// The map between the two spaces.
    package var map: VectorMapChoice.Candidate?
    /// The weights that were fitted beside its vectors; those of the artefact if it stays.
    package var weights: SourceWeights?
    /// Sources of the artefact that belong to the old space and take no part.
    package var leftOut: [SourceName] = []
    /// nDCG@10 of the black box's vectors alone; nil without labels.
    package var vectorsAlone: Double?
    /// nDCG@10 of the whole sum, with its 95 % interval; nil without labels.
    package var value: PairedBootstrap.Interval?
    /// The difference of the whole sum to staying.
    package var toStaying: PairedDifference?
    /// The difference of the whole sum to a full re-index, if that is measured.
    package var toReindex: PairedDifference?
    /// Share of the ten best documents of the old vectors that the road's vectors keep.
    package var keepsOld: Double?
    /// The same for the new vectors of all documents, if they are at hand.
    package var keepsNew: Double?

    package init(_ name: Name, newDocuments: Int, price: MigrationPrice?, omitted: String? = nil) {
        (self.name, self.newDocuments, self.price, self.omitted) = (name, newDocuments, price, omitted)
    }
}

/// What some texts cost. Texts that are cached already cost nothing.
package struct MigrationPrice: Sendable, Codable, Hashable {
    /// Texts to be sent.
    package var texts: Int
    /// Tokens to be sent, estimated from above; nil: unknown.
    package var tokens: Int?
    /// The shortest time in minutes under the account's rates; nil: unknown.
    package var minutes: Double?
    /// The highest cost in the currency of the price; nil: no price is known.
    package var cost: Double?

    package init(texts: Int, tokens: Int? = nil, minutes: Double? = nil, cost: Double? = nil) {
        (self.texts, self.tokens, self.minutes, self.cost) = (texts, tokens, minutes, cost)
    }

    /// Nothing to be sent.
    package static let free = MigrationPrice(texts: 0, tokens: 0, minutes: 0, cost: 0)
}

/// One point of the curve of a mixed index: some documents have the new black box's vectors, the others mapped ones.
package struct MigrationPoint: Sendable, Encodable {
    /// In which order documents are bought behind the sample.
    package enum Order: String, Sendable, Codable, CaseIterable {
        /// Documents that known queries rank high come first.
        case known
        /// By chance.
        case random
    }

    package var order: Order
    /// Share of the documents with new vectors.
    package var share: Double
    /// nDCG@10 of the whole sum.
    package var value: Double
}
