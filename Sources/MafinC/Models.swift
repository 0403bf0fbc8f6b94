import CMafin
import Foundation
import MafinEncoder
import MafinMethod
import MafinNumerics
import MafinPipeline

// The functions of `mafin.h` about the library and its models. `Signatures.swift` compares them with the header.

/// `strdup`ed once, and never freed.
nonisolated(unsafe) private let version = UnsafePointer<CChar>(strdup(LibraryVersion.current.version))

/// `mafin_abi_version`, as the header describes it.
@_cdecl("mafin_abi_version")
public func abiVersion() -> UInt32 { UInt32(MAFIN_ABI_VERSION) }

/// `mafin_version`, as the header describes it.
@_cdecl("mafin_version")
public func libraryVersion() -> UnsafePointer<CChar>? { version }

/// `mafin_set_threads`, as the header describes it.
@_cdecl("mafin_set_threads")
public func setThreads(_ threads: UInt32, _ error: UnsafeMutablePointer<mafin_error>?) -> mafin_status {
    answer(error) {
        guard threads <= 1024 else { throw ArgumentFault("expected 0 to 1024 threads, found \(threads)") }
        Parallelism.threads = threads == 0 ? max(1, ProcessInfo.processInfo.activeProcessorCount) : Int(threads)
    }
}

/// `mafin_threads`, as the header describes it.
@_cdecl("mafin_threads")
public func threads() -> UInt32 { UInt32(Parallelism.threads) }

/// `mafin_open`, as the header describes it.
@_cdecl("mafin_open")
public func openModel(
    _ path: UnsafePointer<CChar>?, _ options: UnsafePointer<mafin_open_options>?,
    _ model: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<mafin_error>?
) -> mafin_status {
    answer(error) {
        guard let model else { throw ArgumentFault("model is NULL") }
        model.pointee = nil
        let path = try string(path, "path")
        guard !path.isEmpty else { throw ArgumentFault("path is empty") }
        try Processor.checkInstructionSet()
        let given = try options.map { try read($0, sizedBy: \.struct_size, "options") } ?? mafin_open_options()
        guard given.verify_content <= 1 else {
            throw ArgumentFault("options: expected 0 or 1 as verify_content, found \(given.verify_content)")
        }
        var folders = ModelFolders()
        if let more = given.model_folders {
            let own = try string(more, "options: model_folders").split(separator: ":")
            folders.plain.insert(contentsOf: own.map { URL(fileURLWithPath: String($0)) }, at: 0)
        }
        let precision = try given.precision.map { pointer in
            let name = try string(pointer, "options: precision")
            guard let precision = Precision(rawValue: name) else {
                throw ArgumentFault("options: expected float32, bf16 or int8 as precision, found '\(name)'")
            }
            return precision
        }
        let opened = try SharedModel(
            path, verification: given.verify_content == 1 ? .content : .length, folders: folders,
            maximumLength: given.maximum_tokens == 0 ? nil : Int(given.maximum_tokens), precision: precision)
        model.pointee = handle(of: ModelHandle(opened))
    }
}

/// `mafin_close`, as the header describes it.
@_cdecl("mafin_close")
public func closeModel(_ model: OpaquePointer?) { close(model, as: ModelHandle.self) }

/// `mafin_dimension`, as the header describes it.
@_cdecl("mafin_dimension")
public func dimension(_ model: OpaquePointer?, _ kind: mafin_vector_kind) -> UInt64 {
    guard let model = try? object(model, "model", as: ModelHandle.self).model else { return 0 }
    return switch Int(kind) {
    case Int(MAFIN_LOCAL): UInt64(model.localDimension)
    case Int(MAFIN_BLACK_BOX): UInt64(model.blackBoxDimension)
    case Int(MAFIN_JOINED): UInt64(model.joinedDimension)
    default: 0
    }
}

/// `mafin_describe`, as the header describes it.
@_cdecl("mafin_describe")
public func describe(
    _ model: OpaquePointer?, _ json: UnsafeMutablePointer<UnsafePointer<CChar>?>?,
    _ error: UnsafeMutablePointer<mafin_error>?
) -> mafin_status {
    answer(error) {
        guard let json else { throw ArgumentFault("json is NULL") }
        json.pointee = try object(model, "model", as: ModelHandle.self).describe()
    }
}

/// `mafin_source_count`, as the header describes it.
@_cdecl("mafin_source_count")
public func sourceCount(_ model: OpaquePointer?) -> UInt64 {
    UInt64((try? object(model, "model", as: ModelHandle.self).model.sources.count) ?? 0)
}

/// `mafin_source_name`, as the header describes it.
@_cdecl("mafin_source_name")
public func sourceName(_ model: OpaquePointer?, _ source: UInt64) -> UnsafePointer<CChar>? {
    guard let names = try? object(model, "model", as: ModelHandle.self).sourceNames, source < UInt64(names.count) else {
        return nil
    }
    return UnsafePointer(names[Int(source)])
}

/// `mafin_source_weight`, as the header describes it.
@_cdecl("mafin_source_weight")
public func sourceWeight(_ model: OpaquePointer?, _ source: UInt64, _ flags: UInt64) -> Float {
    guard let model = try? object(model, "model", as: ModelHandle.self).model, source < UInt64(model.sources.count)
    else { return 0 }
    return model.weights(offline: flags & UInt64(MAFIN_OFFLINE) != 0)?[model.sources[Int(source)].name] ?? 0
}

/// `mafin_warning_count`, as the header describes it.
@_cdecl("mafin_warning_count")
public func warningCount(_ model: OpaquePointer?) -> UInt64 {
    UInt64((try? object(model, "model", as: ModelHandle.self).warnings.count) ?? 0)
}

/// `mafin_warning`, as the header describes it.
@_cdecl("mafin_warning")
public func warning(_ model: OpaquePointer?, _ number: UInt64) -> UnsafePointer<CChar>? {
    guard let warnings = try? object(model, "model", as: ModelHandle.self).warnings, number < UInt64(warnings.count)
    else { return nil }
    return warnings[Int(number)]
}

/// `mafin_read_counters`, as the header describes it.
@_cdecl("mafin_read_counters")
public func readCounters(
    _ model: OpaquePointer?, _ counters: UnsafeMutablePointer<mafin_counters>?,
    _ error: UnsafeMutablePointer<mafin_error>?
) -> mafin_status {
    answer(error) {
        let model = try object(model, "model", as: ModelHandle.self).model
        guard let counters else { throw ArgumentFault("counters is NULL") }
        let size = UnsafeRawPointer(counters).load(as: UInt64.self)
        guard size >= UInt64(MemoryLayout<UInt64>.size), size <= 4096 else {
            throw ArgumentFault("counters: struct_size is \(size), expected \(MemoryLayout<mafin_counters>.size)")
        }
        let values = model.counters.values
        var result = mafin_counters(
            struct_size: size, queries_encoded: UInt64(values.queries), documents_encoded: UInt64(values.documents),
            tokens: UInt64(values.tokens), texts_at_limit: UInt64(values.textsAtLimit),
            encoding_seconds: values.encodingSeconds, searches: UInt64(values.searches),
            search_seconds: values.searchSeconds, errors: UInt64(values.errors))
        withUnsafeBytes(of: &result) { bytes in
            let room = UnsafeMutableRawBufferPointer(start: counters, count: Int(size))
            // What a newer caller knows and this library does not is 0.
            room.initializeMemory(as: UInt8.self, repeating: 0)
            room.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes.prefix(Int(size))))
        }
    }
}
