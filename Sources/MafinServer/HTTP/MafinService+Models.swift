import Foundation
import MafinBlackBox
import MafinPipeline

extension MafinService {
    private func allModels(_ served: ServedModel) -> [(id: String, model: JSONObject)] {
        ["", ":query", ":document"].map { suffix in
            let role = suffix.isEmpty ? options.defaultRole.rawValue : String(suffix.dropFirst())
            return (
                served.name + suffix,
                [
                    "id": served.name + suffix, "object": "model", "created": Int(served.created.timeIntervalSince1970),
                    "owned_by": "mafin", "input_type": role, "dimension": served.dimension,
                    "black_box_dimension": served.manifest.blackBoxDimension,
                    "lambda": served.isOffline ? nil : served.manifest.mixing.lambda,
                    "sources": served.offered.described(served.sources), "left_out": served.leftOut,
                    "offline": served.isOffline,
                ]
            )
        }
    }

    /// `GET /v1/models`
    func models(_ served: ServedModel) throws -> Reply {
        try Reply(json: ["object": "list", "data": allModels(served).map(\.model)])
    }

    /// `GET /v1/models/{model}`
    func model(_ id: String, _ served: ServedModel) throws -> Reply {
        let id = id.removingPercentEncoding ?? id
        guard let model = allModels(served).first(where: { $0.id == id })?.model else {
            _ = try ModelName(id, served: served.name)
            throw ServiceError.notFound(id)
        }
        return try Reply(json: model)
    }
}
