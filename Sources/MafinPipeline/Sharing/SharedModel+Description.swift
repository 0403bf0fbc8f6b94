import Foundation
import MafinBlackBox
import MafinEncoder
import MafinMethod

extension SharedModel {
    /// What a model is, for programs.
    package struct Description: Encodable {
        /// What was opened.
        package enum Kind: String, Encodable { case artefact, encoder }

        /// Columns of vectors; 0 for those that there are none of.
        package struct Dimensions: Encodable {
            package var local: Int
            package var blackBox: Int
            package var joined: Int
        }

        /// A source.
        package struct Source: Encodable {
            package var name: SourceName
            package var kind: SourceRecord.Kind
            /// Who can compute its scores.
            package var face: SourceFace
            package var weight: Float
            /// If the stand-in answers; `nil` without one.
            package var offlineWeight: Float?
            /// Columns of its vectors; `nil` if it has none.
            package var dimension: Int?
            package var reads: Reads
        }

        /// What a source reads of the texts of each side.
        package struct Reads: Encodable {
            package var query: [String]
            package var document: [String]
        }

        package var library: LibraryVersion
        package var kind: Kind
        package var path: String
        package var dimensions: Dimensions
        /// The local encoder's; `nil` without one.
        package var prefixes: TextPrefixes?
        package var maximumTokens: Int?
        /// In which its encoders embed.
        package var precision: Precision
        package var sources: [Source]
        /// Whether the stand-in can answer.
        package var standIn: Bool
        /// The artefact's own description of itself.
        package var manifest: ArtefactManifest?
    }

    /// What it is.
    package var description: Description {
        let (own, offline) = (weights(offline: false), weights(offline: true))
        return Description(
            library: .current, kind: artefact == nil ? .encoder : .artefact, path: folder.path,
            dimensions: .init(local: localDimension, blackBox: blackBoxDimension, joined: joinedDimension),
            prefixes: encoders.map {
                TextPrefixes(query: $0.query.prefixes.query, document: $0.document.prefixes.document)
            }, maximumTokens: encoders?.document.maximumLength, precision: precision,
            sources: sources.map { source in
                Description.Source(
                    name: source.name, kind: source.record.kind, face: source.face, weight: own?[source.name] ?? 0,
                    offlineWeight: offline?[source.name], dimension: (source as? any DenseSource)?.dimension,
                    reads: .init(query: source.queryInputs.names, document: source.documentInputs.names))
            }, standIn: standIn != nil, manifest: artefact?.manifest)
    }

    /// ``description`` as JSON.
    /// - Throws: `EncodingError`.
    package func descriptionJSON() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(description)
    }
}

extension SourceInputs {
    /// The names of what is read.
    fileprivate var names: [String] {
        let all: [(SourceInputs, String)] = [
            (.blackBox, "black-box"), (.local, "local"), (.text, "text"), (.identifier, "identifier"),
            (.estimate, "estimate"),
        ]
        return all.filter { contains($0.0) }.map(\.1)
    }
}
