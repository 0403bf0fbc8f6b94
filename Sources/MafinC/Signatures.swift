import CMafin

// The header and this module declare the same functions. This function is never called. It compiles only if each pair has the same type, so
// that a change on one side alone is an error of the compiler and no crash of a caller.

/// Takes two functions of one type.
private func same<Function>(_ declared: Function, _ defined: Function) {}

private func compareWithHeader() {
    same(CMafin.mafin_abi_version, abiVersion)
    same(CMafin.mafin_version, libraryVersion)
    same(CMafin.mafin_set_threads, setThreads)
    same(CMafin.mafin_threads, threads)
    same(CMafin.mafin_open, openModel)
    same(CMafin.mafin_close, closeModel)
    same(CMafin.mafin_dimension, dimension)
    same(CMafin.mafin_describe, describe)
    same(CMafin.mafin_source_count, sourceCount)
    same(CMafin.mafin_source_name, sourceName)
    same(CMafin.mafin_source_weight, sourceWeight)
    same(CMafin.mafin_warning_count, warningCount)
    same(CMafin.mafin_warning, warning)
    same(CMafin.mafin_encode, encode)
    same(CMafin.mafin_encode_joined, encodeJoined)
    same(CMafin.mafin_count_tokens, countTokens)
    same(CMafin.mafin_index_open, openIndex)
    same(CMafin.mafin_index_make, makeIndex)
    same(CMafin.mafin_index_close, closeIndex)
    same(CMafin.mafin_index_count, indexCount)
    same(CMafin.mafin_search, search)
    same(CMafin.mafin_score, score)
    same(CMafin.mafin_index_document, indexDocument)
    same(CMafin.mafin_document_free, freeDocument)
    same(CMafin.mafin_index_row, indexRow)
    same(CMafin.mafin_read_counters, readCounters)
}
