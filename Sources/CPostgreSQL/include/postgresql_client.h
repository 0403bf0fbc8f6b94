// PostgreSQL's client library (libpq), loaded when it is first needed. The program starts without it.
//
// The types and numbers are those of libpq's public interface, which has been stable since PostgreSQL 8. Each function does what libpq's
// function of the same name (with PQ in place of mafin_pq_) does.
#ifndef MAFIN_POSTGRESQL_CLIENT_H
#define MAFIN_POSTGRESQL_CLIENT_H

#include <stdint.h>

typedef struct mafin_pg_connection mafin_pg_connection;
typedef struct mafin_pg_result mafin_pg_result;

// The state of a connection that can be used.
#define MAFIN_PG_CONNECTION_OK 0

// The states of a result.
#define MAFIN_PG_COMMAND_OK 1
#define MAFIN_PG_TUPLES_OK 2
#define MAFIN_PG_COPY_IN 4
#define MAFIN_PG_SINGLE_TUPLE 9

// Loads the library. Returns 0, or 1 if there is none or it lacks a function; the reason is then in `reason`.
int mafin_pq_load(char *reason, int capacity);

// All others must only be called once mafin_pq_load has returned 0.
mafin_pg_connection *mafin_pq_connectdb(const char *description);
int mafin_pq_status(const mafin_pg_connection *connection);
const char *mafin_pq_errorMessage(const mafin_pg_connection *connection);
void mafin_pq_finish(mafin_pg_connection *connection);

mafin_pg_result *mafin_pq_exec(mafin_pg_connection *connection, const char *statement);
mafin_pg_result *mafin_pq_execParams(
    mafin_pg_connection *connection, const char *statement, int count, const char *const *values, int binary_result);
int mafin_pq_sendQuery(mafin_pg_connection *connection, const char *statement, int binary_result);
int mafin_pq_setSingleRowMode(mafin_pg_connection *connection);
mafin_pg_result *mafin_pq_getResult(mafin_pg_connection *connection);
int mafin_pq_putCopyData(mafin_pg_connection *connection, const char *bytes, int count);
int mafin_pq_putCopyEnd(mafin_pg_connection *connection, const char *reason);

int mafin_pq_resultStatus(const mafin_pg_result *result);
const char *mafin_pq_resultErrorMessage(const mafin_pg_result *result);
const char *mafin_pq_resultErrorState(const mafin_pg_result *result);
int mafin_pq_ntuples(const mafin_pg_result *result);
int mafin_pq_nfields(const mafin_pg_result *result);
// Name of a column, and the OID of its type.
const char *mafin_pq_fname(const mafin_pg_result *result, int column);
unsigned int mafin_pq_ftype(const mafin_pg_result *result, int column);
int mafin_pq_getisnull(const mafin_pg_result *result, int row, int column);
const char *mafin_pq_getvalue(const mafin_pg_result *result, int row, int column);
int mafin_pq_getlength(const mafin_pg_result *result, int row, int column);
void mafin_pq_clear(mafin_pg_result *result);

#endif
