import Foundation
import HTTPTypes
import MafinBlackBox
import MafinMethod
import MafinPipeline

/// `/openapi.json` of one service: the template with this service's bounds and the lengths of this artefact's vectors.
///
/// In the template `MAFIN_…` stands for a value. A string that consists of it alone becomes that value, of whatever type. In a longer
/// string the value's text replaces it. `MAFIN_JSON Name` is the content of a body that is JSON of the schema `Name`.
struct ServiceDescription {
    private let values: [String: Any]

    /// - Parameters:
    ///   - offered: the weights that a request may replace.
    ///   - readsImages: whether the local encoder reads images and not texts; `nil`: there is none.
    init(
        _ manifest: ArtefactManifest, _ sources: [any ScoreSource], offered: SourceWeights, readsImages: Bool?,
        name: String, _ options: ServiceOptions
    ) {
        let share: [String: Any] = ["type": ["number", "null"], "minimum": 0, "maximum": 1]
        let none: [String: Any] = ["type": "null"]
        // A request for vectors can give λ only if λ is in the query's vector alone.
        let hasLambda = manifest.mixing.lambda != nil && !options.isOffline
        let isFree = hasLambda && manifest.mixing.areWeightsFree
        let weight: [String: Any] = [
            "type": "number", "minimum": 0, "maximum": ServedModel.SearchRequest.maximumWeight,
        ]
        let pictures = Self.pictures(areRead: readsImages != false, maximum: options.maximumInputs)
        let leftOut = manifest.rankingWeights(offline: options.isOffline).leftOutOfVectors(sources).map(\.rawValue)
        values = [
            "MAFIN_BLACK_BOX_DIMENSION": manifest.blackBoxDimension,
            "MAFIN_DIMENSION": sources.joinedDimension,
            "MAFIN_MAX_INPUTS": options.maximumInputs,
            "MAFIN_WEIGHTS": Dictionary(uniqueKeysWithValues: offered.sources.map { ($0.rawValue, weight) }),
            "MAFIN_LEFT_OUT": leftOut.isEmpty ? "nothing" : leftOut.joined(separator: ", "),
            "MAFIN_SEARCH_LAMBDA": (hasLambda ? share : none).merging([
                "description":
                    "Share of the local score in that of the black box and the local encoder, instead of the artefact's. Short for two of the weights."
            ]) { $1 },
            "MAFIN_PICTURE": pictures.one, "MAFIN_PICTURES": pictures.several,
            "MAFIN_SEARCH_PICTURE": pictures.ofSearch,
            "MAFIN_LAMBDA": isFree ? share : none,
            "MAFIN_DEFAULT_LAMBDA": isFree && options.defaultRole == .query ? share : none,
            "MAFIN_DEFAULT_ROLE": options.defaultRole.rawValue, "MAFIN_MODEL": name,
            "MAFIN_VERSION": LibraryVersion.current.version,
        ]
    }

    /// The schemas of a picture: one, an array of them, and that of a search. An encoder of texts refuses every picture.
    private static func pictures(
        areRead: Bool, maximum: Int
    ) -> (one: [String: Any], several: [String: Any], ofSearch: [String: Any]) {
        let none: [String: Any] = ["type": "null"]
        guard areRead else { return (["not": [String: Any]()], none, none) }
        let pattern = "^data:image/(png|jpeg);base64,"
        let one: [String: Any] = ["type": "string", "pattern": pattern]
        let several: [String: Any] = [
            "type": ["array", "null"], "minItems": 1, "maxItems": maximum, "items": one,
            "description": "Pictures as data URLs.",
        ]
        let ofSearch: [String: Any] = [
            "type": ["string", "null"], "pattern": pattern,
            "description": "A picture as a data URL, with or without a query.",
        ]
        return (one, several, ofSearch)
    }

    func text() throws -> String {
        let template = try JSONSerialization.jsonObject(with: Data(PackageResources.openapi_json))
        guard var description = filled(template) as? [String: Any], var paths = description["paths"] as? [String: Any]
        else { preconditionFailure("openapi.json is an object with paths") }
        for route in Route.allCases {
            guard var operations = paths[route.path] as? [String: Any] else { continue }
            for method in route.methods {
                let name = method.rawValue.lowercased()
                guard var operation = operations[name] as? [String: Any] else { continue }
                let own = operation["responses"] as? [String: Any] ?? [:]
                operation["responses"] = own.merging(Self.refusals(route, method)) { own, _ in own }
                if route.needsKey { operation["security"] = [[:], ["key": [String]()]] as [[String: [String]]] }
                operations[name] = operation
            }
            paths[route.path] = operations
        }
        description["paths"] = paths
        let data = try JSONSerialization.data(
            withJSONObject: description, options: [.sortedKeys, .withoutEscapingSlashes])
        return String(decoding: data, as: UTF8.self)
    }

    /// The errors that a route may answer with, as references to the template's descriptions.
    private static func refusals(_ route: Route, _ method: HTTPRequest.Method) -> [String: Any] {
        var statuses = [403, 500, 503, 504]
        if route.isCounted { statuses.append(429) }
        if route.needsKey { statuses += [401, 404] }
        if route == .document { statuses.append(400) }
        // `POST /report` alone has no body.
        if method == .post, route != .report { statuses += [400, 413, 415, 422, 502, 507] }
        let dialect = route.dialect == .cohere ? "Cohere" : ""
        return Dictionary(
            uniqueKeysWithValues: statuses.map { status in
                let kind = [429, 503].contains(status) ? "Busy" : "Error"
                return ("\(status)", ["$ref": "#/components/responses/\(dialect)\(kind)"])
            })
    }

    private func filled(_ value: Any) -> Any {
        switch value {
        case let object as [String: Any]: return object.mapValues(filled)
        case let array as [Any]: return array.map(filled)
        case let text as String:
            if let whole = values[text] { return whole }
            if text.hasPrefix("MAFIN_JSON ") {
                let schema = ["$ref": "#/components/schemas/\(text.dropFirst("MAFIN_JSON ".count))"]
                return ["application/json": ["schema": schema]]
            }
            guard text.contains("MAFIN_") else { return text }
            // The longest names first, because one name may be the beginning of another.
            return values.keys.sorted { $0.count > $1.count }.reduce(text) {
                $0.replacing($1, with: "\(values[$1] ?? "")")
            }
        default: return value
        }
    }
}
