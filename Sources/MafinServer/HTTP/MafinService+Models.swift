import Foundation
import MafinBlackBox
import MafinPipeline

extension MafinService {
    private struct Model: Encodable {
        var id: String
        var object = "model"
        var created: Int
        var ownedBy = "mafin"
        var inputType: String
        var dimension: Int
        var blackBoxDimension: Int
        var lambda: Float?

        enum CodingKeys: String, CodingKey {
            case id, object, created, dimension, lambda
            case ownedBy = "owned_by"
            case inputType = "input_type"
            case blackBoxDimension = "black_box_dimension"
        }
    }

    private struct ModelList: Encodable {
        var object = "list"
        var data: [Model]
    }

    private func allModels(_ served: ServedModel) -> [Model] {
        ["", ":query", ":document"].map { suffix in
            Model(
                id: served.name + suffix, created: Int(served.created.timeIntervalSince1970),
                inputType: suffix.isEmpty ? options.defaultRole.rawValue : String(suffix.dropFirst()),
                dimension: served.dimension, blackBoxDimension: served.manifest.blackBoxDimension,
                lambda: served.manifest.mixing.lambda)
        }
    }

    /// `GET /v1/models`
    func models(_ served: ServedModel) throws -> Reply {
        try Reply(json: ModelList(data: allModels(served)))
    }

    /// `GET /v1/models/{model}`
    func model(_ id: String, _ served: ServedModel) throws -> Reply {
        let id = id.removingPercentEncoding ?? id
        guard let model = allModels(served).first(where: { $0.id == id }) else {
            _ = try ModelName(id, served: served.name)
            throw ServiceError.notFound(id)
        }
        return try Reply(json: model)
    }
}
