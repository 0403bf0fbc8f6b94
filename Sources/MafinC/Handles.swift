import CMafin
import Foundation
import MafinMethod
import MafinPipeline
import Synchronization

/// What a `mafin_model *` points to.
///
/// A call holds it until it returns, so that another thread may close it meanwhile.
final class ModelHandle: @unchecked Sendable {
    let model: SharedModel
    /// Strings of C, which live as long as the handle.
    let sourceNames: [UnsafeMutablePointer<CChar>?]
    private let json = Mutex<UInt>(0)
    /// Addresses of strings of C. They are added to and never moved.
    private let warningTexts = Mutex<[UInt]>([])

    init(_ model: SharedModel) {
        self.model = model
        sourceNames = model.sources.map { strdup($0.name.rawValue) }
    }

    deinit {
        for name in sourceNames { free(name) }
        free(UnsafeMutableRawPointer(bitPattern: json.withLock { $0 }))
        for text in warningTexts.withLock({ $0 }) { free(UnsafeMutableRawPointer(bitPattern: text)) }
    }

    /// The model's warnings up to now.
    var warnings: [UnsafePointer<CChar>?] {
        warningTexts.withLock { texts in
            for warning in model.warnings.dropFirst(texts.count) { texts.append(UInt(bitPattern: strdup(warning))) }
            return texts.map { UnsafePointer(bitPattern: $0) }
        }
    }

    /// The description, made at the first call.
    func describe() throws -> UnsafePointer<CChar>? {
        try json.withLock { json in
            if json == 0 {
                json = UInt(bitPattern: strdup(String(decoding: try model.descriptionJSON(), as: UTF8.self)))
            }
            return UnsafePointer(bitPattern: json)
        }
    }
}

/// What a `mafin_index *` points to.
final class IndexHandle: Sendable {
    let index: SharedIndex

    init(_ index: SharedIndex) { self.index = index }
}

/// The object behind a handle.
func object<Object: AnyObject>(_ handle: OpaquePointer?, _ name: String, as: Object.Type = Object.self) throws -> Object
{
    guard let handle else { throw ArgumentFault("\(name) is NULL") }
    return Unmanaged<Object>.fromOpaque(UnsafeRawPointer(handle)).takeUnretainedValue()
}

/// A handle that keeps its object until it is closed.
func handle(of object: some AnyObject) -> OpaquePointer { OpaquePointer(Unmanaged.passRetained(object).toOpaque()) }

func close<Object: AnyObject>(_ handle: OpaquePointer?, as: Object.Type) {
    guard let handle else { return }
    Unmanaged<Object>.fromOpaque(UnsafeRawPointer(handle)).release()
}
